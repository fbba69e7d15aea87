"""The kit of the hook that the plugin implements."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from jackfield.testing.kits.dialect import DialectKit

if TYPE_CHECKING:
    from jackfield.manifest import Table

TEMPLATES: Final = Path(__file__).parents[2] / "fixtures" / "templates"

_MARKED: Final = '<|tool_call>call:weather{{city:<|"|>{}<|"|>}}<tool_call|>'
_JSON: Final = '{{"name": "weather", "parameters": {{"city": "{}"}}}}'


class TestMarkedConforms(DialectKit):
    """Gemma 4."""

    manifest = 'enabled = ["gemma"]'
    needs: ClassVar[Table] = {
        "call": _MARKED.format("Oslo"),
        "calls": _MARKED.format("Oslo") + _MARKED.format("Rome"),
        "template": str(TEMPLATES / "google-gemma-4-31B-it.jinja"),
    }


class TestInstructedConforms(DialectKit):
    """Gemma 2 and 3."""

    manifest = 'enabled = ["gemma"]'
    needs: ClassVar[Table] = {
        "call": _JSON.format("Oslo"),
        "calls": f"```json\n[{_JSON.format('Oslo')}, {_JSON.format('Rome')}]\n```",
        "template": str(TEMPLATES / "google-gemma-2-2b-it.jinja"),
    }
