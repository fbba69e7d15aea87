"""The kit of the hook that the plugin implements, for each form of calls."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Final

from jackfield.testing.kits.dialect import DialectKit

TEMPLATES: Final = Path(__file__).parents[2] / "fixtures" / "templates"

_FENCED: Final = '<｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n{{"city": "{}"}}\n```<｜tool▁call▁end｜>'
_BARE: Final = '<｜tool▁call▁begin｜>weather<｜tool▁sep｜>{{"city": "{}"}}<｜tool▁call▁end｜>'
_TAGGED: Final = (
    '<｜DSML｜invoke name="weather">\n'
    '<｜DSML｜parameter name="city" string="true">{}</｜DSML｜parameter>\n'
    "</｜DSML｜invoke>\n"
)


def _between(text: str) -> str:
    return f"<｜tool▁calls▁begin｜>{text}<｜tool▁calls▁end｜>"


class TestFences(DialectKit):
    """V3 and R1."""

    manifest = 'enabled = ["deepseek"]'
    needs: ClassVar = {
        "call": _between(_FENCED.format("Oslo")),
        "calls": _between(f"{_FENCED.format('Oslo')}\n{_FENCED.format('Rome')}"),
        "template": str(TEMPLATES / "llama-cpp-deepseek-r1.jinja"),
    }


class TestBareArguments(DialectKit):
    """V3.1."""

    manifest = 'enabled = ["deepseek"]'
    needs: ClassVar = {
        "call": _between(_BARE.format("Oslo")),
        "calls": _between(_BARE.format("Oslo") + _BARE.format("Rome")),
        "template": str(TEMPLATES / "deepseek-ai-DeepSeek-V3.1.jinja"),
    }


class TestTags(DialectKit):
    """V4."""

    manifest = 'enabled = ["deepseek"]'
    needs: ClassVar = {
        "call": f"<｜DSML｜tool_calls>\n{_TAGGED.format('Oslo')}</｜DSML｜tool_calls>",
        "calls": f"<｜DSML｜tool_calls>\n{_TAGGED.format('Oslo')}{_TAGGED.format('Rome')}</｜DSML｜tool_calls>",
        "template": str(TEMPLATES / "deepseek-ai-DeepSeek-V4.jinja"),
    }
