"""How long a match can be is never said to be less than it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield_guardrails.patterns import Pattern, PatternRefused
from jackfield_guardrails.widths import Width, width


@pytest.mark.parametrize(
    ("expression", "least", "most"),
    [
        ("abc", 3, 3),
        ("a|bcd", 1, 3),
        ("(?:foo|ba?r){2,3}", 4, 9),
        (r"\d{4}[ -]?\d{1,2}", 5, 7),
        (r"(?i)a(?P<name>b|cd)(?s:.)", 3, 4),
        ("[[:alpha:]]x[^]a]", 3, 3),
        (r"\Qa.b\E", 3, 3),
        (r"\pL{2}\p{Greek}\x{10FFFF}\101", 5, 5),
        (r"\bfoo\b", 3, 3),
        ("a{,3}", 5, 5),
        ("(?:a{2}){3}", 6, 6),
        ("a??b*?", 0, None),
        ("a+", 1, None),
        ("^a", 1, None),
        (r"a\z", 1, None),
        ("(?m)^a$", 1, None),
        ("a{3,}", 3, None),
        ("", 0, 0),
        ("(" * 200 + "a" + ")" * 200, 0, None),
    ],
)
def test_widths(expression: str, least: int, most: int | None) -> None:
    """Read off what re2 takes."""
    Pattern(expression)
    assert width(expression) == Width(least, most)


_PART = st.sampled_from(
    [
        "a",
        "b",
        ".",
        "[ab]",
        "[^b]",
        "a?",
        "b{0,3}",
        "(?:a|bb)",
        "(b|a{2})",
        r"\w",
        r"\pL",
        "|",
        "a{2}",
        "(?i:a)",
        "[]a]",
    ]
)


@given(st.lists(_PART, min_size=1, max_size=8), st.text("ab", max_size=30))
def test_no_match_is_longer(parts: list[str], text: str) -> None:
    """Nor shorter than the least."""
    expression = "".join(parts)
    try:
        pattern = Pattern(expression, longest=True)
    except PatternRefused:
        return
    hit = pattern.search(text.encode(), 0)
    found = width(expression)
    if hit is not None:
        assert found.most is None or hit.end - hit.start <= found.most
        assert hit.end - hit.start >= found.least
