"""The kit of the hook that the plugin implements, for each form of calls."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Final

from jackfield.testing.kits.dialect import DialectKit

TEMPLATES: Final = Path(__file__).parents[2] / "fixtures" / "templates"


class TestArrays(DialectKit):
    """Nemo and older: one array of all calls."""

    manifest = 'enabled = ["mistral"]'
    needs: ClassVar = {
        "call": '[TOOL_CALLS][{"name": "weather", "arguments": {"city": "Oslo"}, "id": "a1b2c3d4e"}]',
        "calls": '[TOOL_CALLS][{"name": "weather", "arguments": {"city": "Oslo"}},'
        ' {"name": "weather", "arguments": {"city": "Rome"}}]',
        "template": str(TEMPLATES / "mistralai-Mistral-Nemo-Instruct-2407.jinja"),
    }


class TestNames(DialectKit):
    """Ministral: the name in front of each call, and thoughts."""

    manifest = 'enabled = ["mistral"]'
    needs: ClassVar = {
        "call": '[TOOL_CALLS]weather[ARGS]{"city": "Oslo"}',
        "calls": '[TOOL_CALLS]weather[ARGS]{"city": "Oslo"}[TOOL_CALLS]weather[ARGS]{"city": "Rome"}',
        "template": str(TEMPLATES / "mistralai-Ministral-3-14B-Reasoning-2512.jinja"),
    }


class TestNamesAndIds(DialectKit):
    """Small 3.2: name and id in front of each call."""

    manifest = 'enabled = ["mistral"]'
    needs: ClassVar = {
        "call": '[TOOL_CALLS]weather[CALL_ID]a1b2c3d4e[ARGS]{"city": "Oslo"}',
        "calls": '[TOOL_CALLS]weather[CALL_ID]a1b2c3d4e[ARGS]{"city": "Oslo"}'
        '[TOOL_CALLS]weather[CALL_ID]f5g6h7i8j[ARGS]{"city": "Rome"}',
        "template": str(TEMPLATES / "Mistral-Small-3.2-24B-Instruct-2506.jinja"),
    }
