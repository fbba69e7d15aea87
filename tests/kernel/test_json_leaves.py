"""Texts in JSON are changed where they stand, and nothing else is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.json_leaves import mapped_leaves

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
).map(lambda value: {"a": value})


def leaves(text: str) -> list[str]:
    """What *text* has."""
    found: list[str] = []

    def collect(leaf: str) -> str:
        found.append(leaf)
        return leaf

    assert mapped_leaves(text, collect) == text
    return found


@given(value=values, indent=st.sampled_from([None, 2]), ascii_only=st.booleans())
def test_what_is_not_changed_stays_as_it_was_written(value: object, indent: int | None, *, ascii_only: bool) -> None:
    """To the last blank; and each text is seen as it is meant."""
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    seen = leaves(text)
    assert "" not in seen
    assert json.loads(text) == value
    assert set(_texts(value)) - {""} <= set(seen)


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    if isinstance(value, dict):
        return [text for key, each in value.items() for text in [key, *_texts(each)]]
    return []


@given(value=values, new=st.text(min_size=1, max_size=8))
def test_whatever_is_put_in_it_stays_json(value: object, new: str) -> None:
    """Also where a number becomes a text."""
    changed = json.loads(mapped_leaves(json.dumps(value), lambda _: new))
    assert set(_texts(changed)) <= {new, ""}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": "joe", "joe": 1.50}', ["a", "joe", "joe", "1.50"]),
        ('{"a": 4111111111111111}', ["a", "4111111111111111"]),
        ('{"a": "jo\\u0065"}', ["a", "joe"]),
        ('[true, false, null, ""]', []),
        ('{"a": "cut o', ["a", "cut o"]),
        ('{"a": "cut \\u00', ["a", "cut "]),
        ('{"a": "bad \\x escape"}', ["a", "bad \\x escape"]),
        ('{joe: "x", bare words}', ["joe", "x", "bare words"]),
        ("no JSON at all", ["no JSON at all"]),
        ('"joe"', ['"joe"']),
        ("", []),
        ('{"a": "\\ud83d\\ude00"}', ["a", "😀"]),
        ('{"a": "\\ud83d"}', ["a", "\ud83d"]),
    ],
)
def test_what_is_seen(text: str, expected: list[str]) -> None:
    """Names of members too, and what is no JSON as far as it can be read."""
    assert leaves(text) == expected


def test_numbers_stay_numbers_unless_they_are_masked() -> None:
    """A masked one is a text."""
    text = '{"card": 4111111111111111, "n": 2.50}'
    masked = mapped_leaves(text, lambda leaf: "[CARD]" if leaf.startswith("4111") else leaf)
    assert masked == '{"card": "[CARD]", "n": 2.50}'


def test_hostile_json_takes_linear_time() -> None:
    """Quotes and backslashes without an end."""
    for text in ('{"' + "\\" * 200_000, "[" * 200_000, '{"' * 100_000, '{"a' + '\\"' * 100_000):
        mapped_leaves(text, lambda leaf: leaf)
