"""The README says what there is."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

import jackfield_ollama
from jackfield_ollama import fields
from jackfield_ollama.config import OllamaConfig

README = Path(jackfield_ollama.__file__).with_name("README.md").read_text()
BODIES = {
    "chat": (fields.CHAT_HONOURED, fields.CHAT),
    "generate": (fields.GENERATE_HONOURED, fields.GENERATE),
    "embed": (fields.EMBED_HONOURED, fields.EMBED),
    "embeddings": (fields.EMBEDDINGS_HONOURED, {}),
}


def test_it_lists_the_options() -> None:
    """Each with its default."""
    rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \| ", README, re.MULTILINE)
    defaults = {name: msgspec.json.decode(default) for name, default in rows if "POST" not in name}
    assert defaults == msgspec.to_builtins(OllamaConfig())


def test_it_lists_the_fields() -> None:
    """Each with its routes, whether it is honoured, and whether it only tunes."""
    rows = re.findall(r"^\| `(\w+)` \| ((?:all|chat|generate|embed|, )+(?:dings)?) \| (.+) \|$", README, re.MULTILINE)
    known = {name for honoured, rules in BODIES.values() for name in honoured | rules.keys()}
    assert sorted(name for name, _, _ in rows) == sorted(known)
    for name, routes, text in rows:
        asked = [body for body, (honoured, rules) in BODIES.items() if name in honoured | rules.keys()]
        assert routes == ("all" if name == "model" else ", ".join(asked)), name
        assert text.startswith("honoured") == any(name in honoured for honoured, _ in BODIES.values()), name
        found = [rules[name].tunes for _, rules in BODIES.values() if name in rules]
        if found:
            assert ("(tunes)" in text) == found[0], name


def test_it_lists_the_options_of_requests() -> None:
    """Whether each is honoured, or only tunes."""
    rows = dict(re.findall(r"^\| `(\w+)` \| ((?!chat|generate|embed|all|`)[^|]+) \|$", README, re.MULTILINE))
    assert rows.keys() == fields.OPTIONS_HONOURED | fields.OPTIONS.keys()
    for name, text in rows.items():
        assert text.startswith("honoured") == (name in fields.OPTIONS_HONOURED), name
        if name in fields.OPTIONS:
            assert text.endswith("(tunes)") == fields.OPTIONS[name].tunes, name


@pytest.mark.parametrize("value", [0, -1, 0.01, 1e9])
def test_a_nonsensical_interval_is_refused(value: float) -> None:
    """At start-up, with the range."""
    with pytest.raises(ValueError, match=r"keepalive_s must be between 0\.05 and 3600"):
        OllamaConfig(keepalive_s=value)


def test_a_version_is_three_numbers() -> None:
    """Clients compare them."""
    with pytest.raises(ValueError, match="three numbers"):
        OllamaConfig(version="new")
