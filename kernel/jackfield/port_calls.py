"""How long a port's methods may take while the server serves, and what happens when they fail.

Every port method says so in its docstring; here stands what the kernel measures. A call past its deadline cannot be
taken back on a thread that serves everybody: it is counted, and its plugin named in the log, at most once a minute.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

REPORT_INTERVAL_S: Final = 60.0
"""Between two log lines about one method of one plugin."""

STALL_S: Final = 0.05
"""A single call worth a line: a process that lost its processor for a moment loses less."""

HABIT: Final = 0.05
"""Share of slow calls worth a line: fewer are the machine's noise."""

_CALLS_MIN: Final = 20
"""Calls before a share means anything."""


class CallPolicy(NamedTuple):
    """What is promised of one method."""

    deadline_s: float
    failure: Literal["open", "closed"]
    """open: an exception is logged and the work goes on without the answer; closed: the work fails."""


POLICIES: Final[Mapping[str, CallPolicy]] = {
    "ChatDialect.open": CallPolicy(0.001, "closed"),
    "ConstraintEngine.compile": CallPolicy(5.0, "closed"),
    "Exposition.render": CallPolicy(0.1, "open"),
    "Frontend.render_error": CallPolicy(0.001, "open"),
    "Matcher.accept": CallPolicy(0.0001, "closed"),
    "Matcher.forced": CallPolicy(0.0003, "closed"),
    "Matcher.mask": CallPolicy(0.002, "closed"),
    "Guardrail.concerns": CallPolicy(0.001, "closed"),
    "KVStore.get": CallPolicy(0.005, "open"),
    "KVStore.put": CallPolicy(0.005, "open"),
    "Observer.observe": CallPolicy(0.0001, "open"),
    "RoleBook.grants": CallPolicy(0.001, "closed"),
    "Scanner.scan": CallPolicy(0.001, "closed"),
    "Scheduler.plan": CallPolicy(0.001, "closed"),
}
"""The methods that are measured."""


class CallTimes:
    """Times of one method of one plugin. Used by the thread that makes the calls.

    Parameters:
        method: Key of ``POLICIES``.
        plugin: Whose it is, for the log.

    Attributes:
        slow: Calls that missed the deadline since the process started.
    """

    __slots__ = ("_deadline_s", "_method", "_next_report", "_plugin", "_seen", "_slow_before", "_worst_s", "slow")

    def __init__(self, method: str, plugin: str) -> None:
        self._method = method
        self._plugin = plugin
        self._deadline_s = POLICIES[method].deadline_s
        self._seen = 0
        self._slow_before = 0
        self._worst_s = 0.0
        self._next_report = 0.0
        self.slow = 0

    def took(self, seconds: float) -> None:
        """A call took *seconds*. Costs a comparison where it was in time."""
        self._seen += 1
        if seconds > self._deadline_s:
            self._late(seconds)

    def _late(self, seconds: float) -> None:
        self.slow += 1
        self._worst_s = max(self._worst_s, seconds)
        recent = self.slow - self._slow_before
        habit = self._seen >= _CALLS_MIN and recent > HABIT * self._seen
        if not (habit or self._worst_s >= STALL_S) or time.monotonic() < self._next_report:
            return
        import structlog  # this line is rare, and ports' users need no logging

        structlog.get_logger("jackfield.plugins").warning(
            "a plugin is slow",
            plugin=self._plugin,
            call=self._method,
            deadline_ms=1000 * self._deadline_s,
            slow_calls=recent,
            calls=self._seen,
            worst_ms=round(1000 * self._worst_s, 1),
        )
        self._next_report = time.monotonic() + REPORT_INTERVAL_S
        self._slow_before, self._seen, self._worst_s = self.slow, 0, 0.0
