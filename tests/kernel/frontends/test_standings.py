"""What is left of limits."""

from __future__ import annotations

from jackfield.frontends.standings import tightest
from jackfield.ports.limiter import Standing


def standing(remaining: float, reset_s: float = 1.0) -> Standing:
    """Of a limit of requests."""
    return Standing(measure="requests", limit=100, remaining=remaining, reset_s=reset_s)


def test_the_one_that_is_reached_first() -> None:
    """The least is left of it; of two the one that takes longest to be there again."""
    few, longer, tokens = standing(3), standing(3, 60.0), Standing(measure="tokens", limit=9, remaining=0, reset_s=1)
    assert tightest([standing(7), few, tokens, longer], "requests") is longer
    assert tightest([few, standing(7)], "requests") is few


def test_none() -> None:
    """Of that measure."""
    assert tightest([standing(3)], "tokens") is None
    assert tightest([], "requests") is None
