"""The breaker, against what it says it does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jackfield_guardrails.breaker import Breaker


class Clock:
    """Goes when it is told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_opens_after_so_many_failures_in_a_row() -> None:
    """One success in between begins anew."""
    breaker = Breaker(2, 10.0, Clock())
    for well in (False, True, False):
        assert breaker.enter()
        breaker.left(well=well)
    assert not breaker.open
    assert breaker.enter()
    breaker.left(well=False)
    assert breaker.open
    assert not breaker.enter()


def test_one_probe_decides() -> None:
    """After the pause; while it is under way nobody else is let through."""
    clock = Clock()
    breaker = Breaker(1, 10.0, clock)
    breaker.enter()
    breaker.left(well=False)
    clock.now = 10.0
    assert breaker.enter()
    assert not breaker.enter()
    breaker.left(well=False)
    assert not breaker.enter()
    clock.now = 20.0
    assert breaker.enter()
    breaker.left(well=True)
    assert breaker.enter()
    assert not breaker.open


def test_a_caller_who_leaves_says_nothing() -> None:
    """Neither well nor ill; the next one probes."""
    clock = Clock()
    breaker = Breaker(1, 10.0, clock)
    breaker.enter()
    breaker.left(well=False)
    clock.now = 10.0
    assert breaker.enter()
    breaker.left(well=None)
    assert breaker.open
    assert breaker.enter()


_STEP = st.sampled_from(["ask", "well", "ill", "gone"]) | st.floats(0, 30)


@given(st.lists(_STEP, max_size=60))
def test_it_is_never_stuck(steps: list[str | float]) -> None:
    """Whatever comes in whatever order: once all have left and the pause is over, somebody is let through."""
    clock = Clock()
    breaker = Breaker(3, 10.0, clock)
    inside = 0
    for step in steps:
        if isinstance(step, float):
            clock.now += step
        elif step == "ask":
            inside += breaker.enter()
        elif inside:
            inside -= 1
            breaker.left(well=None if step == "gone" else step == "well")
    while inside:
        inside -= 1
        breaker.left(well=None)
    clock.now += 10.0
    assert breaker.enter()
