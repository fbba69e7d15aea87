"""The README says what there is."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

import jackfield_anthropic
from jackfield_anthropic import fields
from jackfield_anthropic.config import AnthropicConfig

README = Path(jackfield_anthropic.__file__).with_name("README.md").read_text()
BODIES = {
    "messages": (fields.MESSAGES_HONOURED, fields.MESSAGES),
    "count": (fields.COUNT_HONOURED, fields.COUNT),
}
ROUTES = {"both": ["messages", "count"], "messages": ["messages"]}


def test_it_lists_the_options() -> None:
    """Each with its default."""
    rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \| ", README, re.MULTILINE)
    assert {name: msgspec.json.decode(default) for name, default in rows} == msgspec.to_builtins(AnthropicConfig())


def test_it_lists_the_fields() -> None:
    """Each with its routes, whether it is honoured, and whether it only tunes."""
    rows = re.findall(r"^\| `(\w+)` \| (both|messages) \| (.+) \|$", README, re.MULTILINE)
    known = {name for honoured, rules in BODIES.values() for name in honoured | rules.keys()}
    assert sorted(name for name, _, _ in rows) == sorted(known)
    for name, routes, text in rows:
        asked = [body for body, (honoured, rules) in BODIES.items() if name in honoured | rules.keys()]
        assert ROUTES[routes] == asked, name
        assert ("honoured" in text) == any(name in honoured for honoured, _ in BODIES.values()), name
        found = [rules[name].tunes for _, rules in BODIES.values() if name in rules]
        if found:
            assert text.endswith("(tunes)") == found[0], name


@pytest.mark.parametrize("value", [0, -1, 0.01, 1e9])
def test_a_nonsensical_interval_is_refused(value: float) -> None:
    """At start-up, with the range."""
    with pytest.raises(ValueError, match=r"keepalive_s must be between 0\.05 and 3600"):
        AnthropicConfig(keepalive_s=value)
