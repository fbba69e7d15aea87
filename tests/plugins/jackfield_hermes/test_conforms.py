"""The kit of the hook that the plugin implements, in each form that calls have."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Final

from jackfield.testing.kits.dialect import DialectKit

TEMPLATES: Final = Path(__file__).parents[2] / "fixtures" / "templates"

_JSON: Final = '<tool_call>\n{{"name": "weather", "arguments": {{"city": "{}"}}}}\n</tool_call>'
_TAGGED: Final = "<tool_call>\n<function=weather>\n<parameter=city>\n{}\n</parameter>\n</function>\n</tool_call>"


class TestConforms(DialectKit):
    """Calls in JSON."""

    manifest = 'enabled = ["hermes"]'
    needs: ClassVar = {"call": _JSON.format("Oslo"), "calls": _JSON.format("Oslo") + "\n" + _JSON.format("Rome")}


class TestConformsTagged(DialectKit):
    """Parameters between tags, and thoughts."""

    manifest = 'enabled = ["hermes"]'
    needs: ClassVar = {
        "call": _TAGGED.format("Oslo"),
        "calls": _TAGGED.format("Oslo") + "\n" + _TAGGED.format("Rome"),
        "template": str(TEMPLATES / "Qwen3.5-4B.jinja"),
    }
