"""The kit of the hook that the plugin implements."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from jackfield.testing.kits.dialect import DialectKit

if TYPE_CHECKING:
    from jackfield.manifest import Table

MINI: Final = str(Path(__file__).with_name("phi-4-mini.jinja"))

_CALL: Final = '{{"name": "weather", "arguments": {{"city": "{}"}}}}'
_OSLO: Final = _CALL.format("Oslo")
_ROME: Final = _CALL.format("Rome")


class TestMarkedConforms(DialectKit):
    """With marks around the list."""

    manifest = 'enabled = ["phi"]'
    needs: ClassVar[Table] = {
        "call": f"<|tool_call|>[{_OSLO}]<|/tool_call|>",
        "calls": f"<|tool_call|>[{_OSLO}, {_ROME}]<|/tool_call|>",
        "template": MINI,
    }


class TestFunctoolsConforms(DialectKit):
    """With a word in front of the list."""

    manifest = 'enabled = ["phi"]'
    needs: ClassVar[Table] = {
        "call": f"functools[{_OSLO}]",
        "calls": f"functools[{_OSLO}, {_ROME}]",
        "template": MINI,
    }
