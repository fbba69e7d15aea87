"""The bounded queue in front of one model."""

from __future__ import annotations

import time
from typing import Final, NamedTuple

from jackfield.context import Room
from jackfield.errors import AtCapacity, DeadlineInfeasible, QueueFull
from jackfield.gateway.forecast import Forecast

RETRY_MIN_S: Final = 1.0
"""Sooner than this a retry only adds load."""

RETRY_MAX_S: Final = 60.0
"""openai-python ignores a ``Retry-After`` above one minute and retries after its own, short delay."""


class Load(NamedTuple):
    """What a worker has."""

    in_flight: int
    """Answers that it owes."""
    backlog: int = 0
    """Tokens of prompts that it was sent and that none of its reports can know yet."""


class Admission:
    """Decides whether one more request may go to a model's worker, and when to come back if not.

    The worker's own queue is where requests wait; this bounds how many do.

    Parameters:
        slots: Requests that run at once.
        queue: Requests that may wait besides those.

    Event loop thread.
    """

    __slots__ = ("forecast", "queue")

    def __init__(self, slots: int, queue: int) -> None:
        self.queue: Final = queue
        """Requests that may wait besides those that run."""
        self.forecast: Final = Forecast(slots)
        """Learns how long requests wait."""

    def admit(self, load: Load, answers: int = 1, timeout_s: float | None = None) -> None:
        """Let a request in.

        Parameters:
            load: What the worker has already.
            answers: How many the request asks for; each takes a slot.
            timeout_s: Seconds until its deadline; None waits for ever.

        Raises:
            QueueFull: Slots and queue have no room for so many.
            DeadlineInfeasible: It would still be waiting at its deadline.
        """
        refusal = self._refusal(load, answers, timeout_s)
        if refusal is not None:
            room = self.room(load)
            # not sooner than it asks to come back
            refusal.room = room._replace(reset_s=max(room.reset_s, refusal.retry_after or 0.0))
            raise refusal

    def room(self, load: Load) -> Room:
        """What room there is besides *load*."""
        most = self.forecast.slots + self.queue
        # answers for all slots could only begin after everything that is there
        reset_s = self._wait_s(load, self.forecast.slots) if load.in_flight else 0.0
        return Room(most, max(0, most - load.in_flight), reset_s)

    def retry_after(self, load: Load, answers: int = 1) -> float:
        """Seconds until a request for *answers* may start, clamped."""
        return min(max(self._wait_s(load, answers), RETRY_MIN_S), RETRY_MAX_S)

    def _refusal(self, load: Load, answers: int, timeout_s: float | None) -> AtCapacity | None:
        if load.in_flight + answers > self.forecast.slots + self.queue:
            return QueueFull(
                f"{load.in_flight} requests are running or waiting for this model, and its queue is full;"
                " try again later",
                retry_after=self.retry_after(load, answers),
            )
        if timeout_s is not None and self._wait_s(load, answers) > timeout_s:
            return DeadlineInfeasible(
                "the requests that wait for this model will take longer than the deadline of this one; "
                "try again later, or allow it more time",
                retry_after=self.retry_after(load, answers),
            )
        return None

    def _wait_s(self, load: Load, answers: int) -> float:
        return self.forecast.wait_s(load.in_flight, answers, load.backlog, time.monotonic())
