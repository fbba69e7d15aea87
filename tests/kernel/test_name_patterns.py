"""Patterns of names: what they mean, and that no name and no pattern takes long."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.name_patterns import NamePatterns


@pytest.mark.parametrize(
    ("pattern", "fitting", "others"),
    [
        ("ci", ["ci"], ["CI", "ci2", "aci", "", "ci\n"]),
        ("ci*", ["ci", "ci-2", "ci\n2"], ["Ci", "aci"]),
        ("*", ["", "a", "a\nb"], []),
        ("?", ["a", "é", "\n"], ["", "ab"]),
        ("[ab]1", ["a1", "b1"], ["c1", "[ab]1"]),
        ("[!a]1", ["b1"], ["a1"]),
        ("[a", ["[a"], ["a"]),
        ("a.c|d", ["a.c|d"], ["abc", "d", "a.c"]),
        ("(a)+\\", ["(a)+\\"], ["a", "aa"]),
        ("", [""], ["a"]),
    ],
)
def test_what_they_mean(pattern: str, fitting: list[str], others: list[str]) -> None:
    """Alone, and beside one that fits nothing here."""
    for patterns in (NamePatterns([pattern]), NamePatterns(["elsewhere", pattern])):
        assert [name for name in (*fitting, *others) if patterns.fit(name)] == fitting


def test_without_any_nothing_fits() -> None:
    """Who takes none for all says so by itself."""
    assert not NamePatterns([])
    assert not NamePatterns([]).fit("")
    assert NamePatterns([""])


@given(
    patterns=st.lists(st.text("ab*?", max_size=8), max_size=3),
    name=st.text("ab", max_size=10),
)
def test_the_same_as_trying_everything(patterns: list[str], name: str) -> None:
    """Though no star is tried twice."""

    @cache
    def tried(pattern: str, rest: str) -> bool:
        if not pattern:
            return not rest
        if pattern[0] == "*":
            return tried(pattern[1:], rest) or (rest != "" and tried(pattern, rest[1:]))
        return rest != "" and pattern[0] in ("?", rest[0]) and tried(pattern[1:], rest[1:])

    assert NamePatterns(patterns).fit(name) == any(tried(pattern, name) for pattern in patterns)


@pytest.mark.parametrize("pattern", ["*a" * 1000 + "b", "*" * 2000 + "b", "*?" * 1000 + "b", "*a*" * 500 + "[!a]"])
def test_hostile_patterns_end(pattern: str) -> None:
    """Tried in all ways, these would take longer than there is time; here it is a moment."""
    assert not NamePatterns([pattern]).fit("a" * 5000)
