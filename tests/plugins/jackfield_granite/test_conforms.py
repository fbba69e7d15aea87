"""The kit of the hook that the plugin implements."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from jackfield.testing.kits.dialect import DialectKit

if TYPE_CHECKING:
    from jackfield.manifest import Table

TEMPLATES: Final = Path(__file__).parents[2] / "fixtures" / "templates"

_CALL: Final = '{{"name": "weather", "arguments": {{"city": "{}"}}}}'
_OSLO: Final = _CALL.format("Oslo")
_ROME: Final = _CALL.format("Rome")


class TestListedConforms(DialectKit):
    """Granite 3.3: all calls in one list."""

    manifest = 'enabled = ["granite"]'
    needs: ClassVar[Table] = {
        "call": f"<|tool_call|>[{_OSLO}]",
        "calls": f"<|tool_call|>[{_OSLO}, {_ROME}]",
        "template": str(TEMPLATES / "ibm-granite-granite-3.3-2B-Instruct.jinja"),
    }


class TestSingleConforms(DialectKit):
    """Granite 4: each call between marks of its own."""

    manifest = 'enabled = ["granite"]'
    needs: ClassVar[Table] = {
        "call": f"<tool_call>\n{_OSLO}\n</tool_call>",
        "calls": f"<tool_call>\n{_OSLO}\n</tool_call>\n<tool_call>\n{_ROME}\n</tool_call>",
        "template": str(TEMPLATES / "ibm-granite-granite-4.0.jinja"),
    }
