"""The kit of the hook that the plugin implements."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Final

from jackfield.testing.kits.dialect import DialectKit

TEMPLATES: Final = Path(__file__).parents[2] / "fixtures" / "templates"

_CALL: Final = '<tool_call>\n{{"name": "weather", "arguments": {{"city": "{}"}}}}\n</tool_call>'


class TestConforms(DialectKit):
    """Calls in JSON."""

    manifest = 'enabled = ["hermes"]'
    needs: ClassVar = {"call": _CALL.format("Oslo"), "calls": _CALL.format("Oslo") + "\n" + _CALL.format("Rome")}
