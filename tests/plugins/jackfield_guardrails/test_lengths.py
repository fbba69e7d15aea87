"""Texts that are too long, by any of three measures."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.ports.guardrail import GuardedText
from jackfield_guardrails.lengths import LengthJudge
from jackfield_guardrails.rules import LengthRule

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("options", "good", "bad", "code"),
    [
        ("characters = 5", "12345", "123456", "too_many_characters"),
        ("lines = 2", "a\nb", "a\nb\nc", "too_many_lines"),
        ("repeated = 3", "aaabbb", "xaaaax", "repeated_character"),
    ],
)
def test_bounds(rules: Any, judged: Callable[..., Any], options: str, good: str, bad: str, code: str) -> None:
    """So much is good, and one more is not."""
    guardrail = rules.one(f'kind = "length"\n{options}')
    assert not judged(guardrail, good).findings
    assert [each.code for each in judged(guardrail, bad).findings] == [code]


@given(st.text("ab", max_size=60), st.integers(1, 8))
def test_runs_are_counted(text: str, most: int) -> None:
    """As one would count them one by one."""
    judge = LengthJudge(LengthRule(repeated=most))
    longest = max((len(list(run)) for _, run in groupby(text)), default=0)
    assert bool(list(judge.traits(GuardedText(text=text)))) == (longest > most)
