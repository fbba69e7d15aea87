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

BODIES = {
    "chat": (fields.CHAT_HONOURED, fields.CHAT),
    "completions": (fields.COMPLETION_HONOURED, fields.COMPLETION),
    "embeddings": (fields.EMBEDDING_HONOURED, fields.EMBEDDING),
}
ROUTES = {"all": [*BODIES], "both": ["chat", "completions"], **{name: [name] for name in BODIES}}


def test_it_lists_the_options() -> None:
    """Each with its default."""
    rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \| ", README, re.MULTILINE)
    assert {name: msgspec.json.decode(default) for name, default in rows} == msgspec.to_builtins(OpenAIConfig())


def test_it_lists_the_fields() -> None:
    """Each with its routes, whether it is honoured, and whether it only tunes."""
    rows = re.findall(r"^\| `(\w+)` \| (all|both|chat|completions|embeddings) \| (.+) \|$", README, re.MULTILINE)
    known = {name for honoured, rules in BODIES.values() for name in honoured | rules.keys()}
    assert len(rows) == len(known)
    assert {name for name, _, _ in rows} == known
    for name, routes, text in rows:
        asked = [body for body, (honoured, rules) in BODIES.items() if name in honoured | rules.keys()]
        assert ROUTES[routes] == asked, name
        assert ("honoured" in text) == any(name in honoured for honoured, _ in BODIES.values()), name
        found = [rules[name].tunes for _, rules in BODIES.values() if name in rules]
        if found and "honoured" not in text:
            assert text.endswith("(tunes)") == found[0], name


@pytest.mark.parametrize("value", [0, -1, 0.01, 1e9])
def test_a_nonsensical_interval_is_refused(value: float) -> None:
    """At start-up, with the range."""
    with pytest.raises(ValueError, match=r"keepalive_s must be between 0\.05 and 3600"):
        OpenAIConfig(keepalive_s=value)
