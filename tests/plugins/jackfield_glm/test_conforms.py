"""The kit of the hook that the plugin implements."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from jackfield.testing.kits.dialect import DialectKit

if TYPE_CHECKING:
    from jackfield.manifest import Table

TEMPLATES: Final = Path(__file__).parents[2] / "fixtures" / "templates"

_LINES: Final = "<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>{}</arg_value>\n</tool_call>"
_COMPACT: Final = "<tool_call>weather<arg_key>city</arg_key><arg_value>{}</arg_value></tool_call>"


class TestConforms(DialectKit):
    """GLM 4.6: with line breaks."""

    manifest = 'enabled = ["glm"]'
    needs: ClassVar[Table] = {
        "call": _LINES.format("Oslo"),
        "calls": _LINES.format("Oslo") + "\n" + _LINES.format("Rome"),
        "template": str(TEMPLATES / "GLM-4.6.jinja"),
    }


class TestCompactConforms(DialectKit):
    """GLM 4.7: without line breaks, and with thoughts switched off."""

    manifest = 'enabled = ["glm"]'
    needs: ClassVar[Table] = {
        "call": _COMPACT.format("Oslo"),
        "calls": _COMPACT.format("Oslo") + _COMPACT.format("Rome"),
        "template": str(TEMPLATES / "GLM-4.7-Flash.jinja"),
        "prompt_end": "<|assistant|></think>",
    }
