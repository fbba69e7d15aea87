"""The kit of the hook that the plugin implements."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Final

from jackfield.testing.kits.dialect import DialectKit

TEMPLATES: Final = Path(__file__).parents[2] / "fixtures" / "templates"

_OSLO: Final = '{"name": "weather", "arguments": {"city": "Oslo"}}'
_NEEDS: Final = {
    "call": f'{{"tool_calls": [{_OSLO}]}}',
    "calls": f'{{"tool_calls": [{_OSLO}, {_OSLO.replace("Oslo", "Rome")}]}}',
}


class TestConforms(DialectKit):
    """With a template that knows nothing."""

    manifest = 'enabled = ["json-tools"]'
    needs: ClassVar = _NEEDS


class TestConformsThinking(DialectKit):
    """With one that thinks."""

    manifest = 'enabled = ["json-tools"]'
    needs: ClassVar = {**_NEEDS, "template": str(TEMPLATES / "HuggingFaceTB-SmolLM3-3B.jinja")}
