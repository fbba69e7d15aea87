"""The kit of the hook that the plugin implements."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Final

from jackfield.testing.kits.dialect import DialectKit

TEMPLATES: Final = Path(__file__).parents[2] / "fixtures" / "templates"


class TestConforms(DialectKit):
    """A call in the channel for comments."""

    manifest = 'enabled = ["harmony"]'
    needs: ClassVar = {
        "call": '<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{"city": "Oslo"}',
        "template": str(TEMPLATES / "openai-gpt-oss-120b.jinja"),
        "prompt_end": "<|start|>assistant",
    }


class TestRecipientInFront(DialectKit):
    """The tool is named before the channel; the end of the call is shown."""

    manifest = 'enabled = ["harmony"]'
    needs: ClassVar = {
        "call": ' to=functions.weather<|channel|>commentary json<|message|>{"city": "Oslo"}<|call|>',
        "template": str(TEMPLATES / "openai-gpt-oss-120b.jinja"),
        "prompt_end": "<|start|>assistant",
    }
