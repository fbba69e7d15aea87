"""Expressions: what re2 takes, what it does not, and what streams hold back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from jackfield.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Callable


def test_matches_are_masked(rules: Any, masked: Callable[..., str]) -> None:
    """Under the code, or under a text of one's own."""
    options = "kind = 'regex'\npatterns = ['JF-[0-9]{4}', 'x{2,3}']\naction = 'mask'\n"
    assert masked(rules.one(options), "JF-1234 xxxx") == "[PATTERN] [PATTERN]x"
    assert masked(rules.one(f"{options}replacement = '#'\n"), "é JF-1234!") == "é #!"
    assert masked(rules.one(f"{options}ignore_case = true\ncode = 'ticket'"), "jf-1234") == "[TICKET]"


@pytest.mark.parametrize(
    ("patterns", "said"),
    [
        ("['a', '(a']", r"patterns\[1\] cannot be used"),
        (r"['(?<=a)b']", r"patterns\[0\] cannot be used"),
        (r"['(a)\\1']", r"patterns\[0\] cannot be used"),
        ("['a*']", "matches the empty text"),
        (r"['\\C']", "parts of characters"),
        ("[]", "patterns must not be empty"),
    ],
)
def test_what_cannot_be_used_is_refused(rules: Any, patterns: str, said: str) -> None:
    """At start-up; the message names the key."""
    patterns = patterns.replace("\\\\", "\\")
    with pytest.raises(ManifestError, match=said) as caught:
        rules.one(f"kind = 'regex'\npatterns = {patterns}")
    assert str(caught.value.param).startswith("config.guardrails.rules.rule.patterns")


def test_without_a_longest_match_whole_answers_are_judged(rules: Any, judged: Callable[..., Any]) -> None:
    """And nothing can be masked."""
    options = "kind = 'regex'\npatterns = ['secret.*plan']\n"
    guardrail = rules.one(options)
    assert guardrail.traits.longest is None
    assert judged(guardrail, "the secret and " + "very " * 500 + "long plan").blocked
    with pytest.raises(ManifestError, match="longest match"):
        rules.one(f"{options}action = 'mask'")


def test_expressions_that_take_others_for_ever(rules: Any, judged: Callable[..., Any]) -> None:
    """The time is linear in the text: what a backtracking engine would still be at next year."""
    guardrail = rules.one("kind = 'regex'\npatterns = ['(a+)+$', '(x+x+)+y', '(?:a|aa)+b']")
    began = time.process_time()
    assert not judged(guardrail, "a" * 5_000 + "x" * 5_000 + "!").blocked
    assert time.process_time() - began < 30
