"""The kit of the hook that the plugin implements, for each family."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from jackfield.testing.kits.dialect import DialectKit
from jackfield_families.forms import FORMS

if TYPE_CHECKING:
    from jackfield.manifest import Table

TEMPLATES: Final = Path(__file__).parents[2] / "fixtures" / "templates"

_OBJECT: Final = '{{"name": "weather", "arguments": {{"city": "{0}"}}}}'
_INVOKE: Final = '<invoke name="weather">\n<parameter name="city">{0}</parameter>\n</invoke>'
_FUNCTION: Final = "<function=weather>\n<parameter=city>{0}</parameter>\n</function>"
_HUNYUAN: Final = (
    "<tool_call:opensource>weather<tool_sep:opensource>\n<arg_key:opensource>city</arg_key:opensource>\n"
    "<arg_value:opensource>{0}</arg_value:opensource>\n</tool_call:opensource>"
)
_KIMI: Final = '<|tool_call_begin|>functions.weather:0<|tool_call_argument_begin|>{{"city": "{0}"}}<|tool_call_end|>'

WRITTEN: Final = {
    "apertus": (
        "Apertus-8B-Instruct",
        "<|tools_prefix|>[{}]<|tools_suffix|>",
        '{{"weather": {{"city": "{0}"}}}}',
        ", ",
    ),
    "apriel": ("Apriel-1.6-15b-Thinker-fixed", "<tool_calls>[{}]</tool_calls>", _OBJECT, ", "),
    "functionary": (
        "meetkai-functionary-medium-v3.1",
        "{}",
        '<function=weather>{{"city": "{0}"}}</function>',
        "",
    ),
    "gigachat": ("GigaChat3.1-10B-A1.8B", "<|function_call|>{}", _OBJECT, ""),
    "hunyuan": ("tencent-Hy3", "<tool_calls:opensource>\n{}\n</tool_calls:opensource>", _HUNYUAN, "\n"),
    "kimi": ("moonshotai-Kimi-K2", "<|tool_calls_section_begin|>{}<|tool_calls_section_end|>", _KIMI, ""),
    "lfm2": ("LFM2.5-8B-A1B", "<|tool_call_start|>[{}]<|tool_call_end|>", 'weather(city="{0}")', ", "),
    "minicpm": (
        "openbmb-MiniCPM5-1B",
        "{}",
        '<function name="weather"><param name="city">{0}</param></function>',
        "\n",
    ),
    "minimax": ("MiniMax-M2", "<minimax:tool_call>\n{}\n</minimax:tool_call>", _INVOKE, "\n"),
    "minimax-m1": ("MiniMax-M1", "<tool_calls>\n{}\n</tool_calls>", _OBJECT, "\n"),
    "nemotron": ("NVIDIA-Nemotron-Nano-v2", "<TOOLCALL>[{}]</TOOLCALL>", _OBJECT, ", "),
    "seed": ("ByteDance-Seed-OSS", "<seed:tool_call>\n{}\n</seed:tool_call>", _FUNCTION, "\n"),
}
"""Of each family: a template, what stands around calls, a call, and what stands between two."""


def _needs(family: str) -> Table:
    template, around, call, between = WRITTEN[family]
    oslo, rome = call.format("Oslo"), call.format("Rome")
    several = {} if FORMS[family].single else {"calls": around.format(f"{oslo}{between}{rome}")}
    return {"call": around.format(oslo), "template": str(TEMPLATES / f"{template}.jinja"), **several}


def _kit(family: str) -> type[DialectKit]:
    body = {
        "__doc__": f"How {family} writes calls.",
        "manifest": 'enabled = ["families"]',
        "name": family,
        "needs": _needs(family),
    }
    return type(f"Test{family.title().replace('-', '')}", (DialectKit,), body)


TestApertus = _kit("apertus")
TestApriel = _kit("apriel")
TestFunctionary = _kit("functionary")
TestGigachat = _kit("gigachat")
TestHunyuan = _kit("hunyuan")
TestKimi = _kit("kimi")
TestLfm2 = _kit("lfm2")
TestMinicpm = _kit("minicpm")
TestMinimax = _kit("minimax")
TestMinimaxM1 = _kit("minimax-m1")
TestNemotron = _kit("nemotron")
TestSeed = _kit("seed")


@pytest.mark.parametrize("family", FORMS)
def test_each_family_is_here(family: str) -> None:
    """None is forgotten."""
    assert family in WRITTEN
