"""The README says what there is."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

import jackfield_openai
from jackfield_openai import fields
from jackfield_openai.config import OpenAIConfig

README = Path(jackfield_openai.__file__).with_name("README.md").read_text()


def test_it_lists_the_options() -> None:
    """Each with its default."""
    rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \| ", README, re.MULTILINE)
    assert {name: msgspec.json.decode(default) for name, default in rows} == msgspec.to_builtins(OpenAIConfig())


def test_it_lists_the_fields() -> None:
    """Each with its routes, whether it is honoured, and whether it only tunes."""
    rows = re.findall(r"^\| `(\w+)` \| (both|chat|completions) \| (.+) \|$", README, re.MULTILINE)
    chat, completion = fields.CHAT_HONOURED | fields.CHAT.keys(), fields.COMPLETION_HONOURED | fields.COMPLETION.keys()
    assert len(rows) == len({name for name, _, _ in rows}) == len(chat | completion)
    for name, routes, text in rows:
        assert routes == ("both" if name in chat & completion else "chat" if name in chat else "completions")
        honoured = name in fields.CHAT_HONOURED | fields.COMPLETION_HONOURED
        assert ("honoured" in text) == honoured, name
        if not honoured:
            rule = fields.CHAT.get(name) or fields.COMPLETION[name]
            assert text.endswith("(tunes)") == rule.tunes, name


@pytest.mark.parametrize("value", [0, -1, 0.01, 1e9])
def test_a_nonsensical_interval_is_refused(value: float) -> None:
    """At start-up, with the range."""
    with pytest.raises(ValueError, match=r"keepalive_s must be between 0\.05 and 3600"):
        OpenAIConfig(keepalive_s=value)
