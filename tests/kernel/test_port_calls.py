"""Slow port calls are counted and named, without a line for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import structlog.testing

from jackfield.port_calls import POLICIES, CallTimes

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence


def lines(method: str, seconds: Sequence[float]) -> tuple[CallTimes, list[MutableMapping[str, object]]]:
    """What calls of these lengths log."""
    times = CallTimes(method, "mine")
    with structlog.testing.capture_logs() as logs:
        for each in seconds:
            times.took(each)
    return times, [dict(log) for log in logs]


@pytest.mark.parametrize("method", POLICIES)
def test_calls_in_time_are_not_worth_a_word(method: str) -> None:
    """Nor are they slow."""
    times, logs = lines(method, [POLICIES[method].deadline_s] * 100)
    assert (times.slow, logs) == (0, [])


def test_a_stall_is_named_at_once() -> None:
    """One call that everybody felt."""
    times, [log] = lines("Observer.observe", [0.00001, 0.2])
    assert times.slow == 1
    assert (log["plugin"], log["call"], log["worst_ms"], log["slow_calls"]) == ("mine", "Observer.observe", 200.0, 1)


def test_a_habit_is_named_once_a_minute() -> None:
    """Slow again and again, each time a little."""
    times, logs = lines("Scheduler.plan", [0.002] * 500)
    assert times.slow == 500
    assert len(logs) == 1


def test_single_slow_calls_are_noise() -> None:
    """A busy machine is nobody's fault; they are counted."""
    times, logs = lines("Observer.observe", ([0.00001] * 99 + [0.001]) * 10)
    assert (times.slow, logs) == (10, [])
