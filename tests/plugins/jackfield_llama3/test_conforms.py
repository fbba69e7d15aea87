"""The kit of the hook that the plugin implements, in each form that calls have."""

from __future__ import annotations

from typing import ClassVar, Final

from jackfield.testing.kits.dialect import DialectKit

_JSON: Final = '{{"name": "weather", "parameters": {{"city": "{}"}}}}'


class TestConforms(DialectKit):
    """Calls in JSON."""

    manifest = 'enabled = ["llama3"]'
    needs: ClassVar = {"call": _JSON.format("Oslo"), "calls": _JSON.format("Oslo") + "; " + _JSON.format("Rome")}


class TestConformsPythonic(DialectKit):
    """Calls in Python's form."""

    manifest = 'enabled = ["llama3"]'
    needs: ClassVar = {
        "call": '[weather(city="Oslo")]',
        "calls": "[weather(city='Oslo'), weather(city='Rome')]",
    }


class TestConformsTagged(DialectKit):
    """Calls of tools that the model was trained with."""

    manifest = 'enabled = ["llama3"]'
    needs: ClassVar = {
        "call": '<|python_tag|>weather.call(city="Oslo")',
        "calls": '<|python_tag|>weather.call(city="Oslo")<|python_tag|>weather.call(city="Rome")',
    }
