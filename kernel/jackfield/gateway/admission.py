"""The bounded queue in front of one model."""

from __future__ import annotations

from typing import Final

from jackfield.errors import DeadlineInfeasible, QueueFull

RETRY_MIN_S: Final = 1.0
"""Sooner than this a retry only adds load."""

RETRY_MAX_S: Final = 60.0
"""openai-python ignores a ``Retry-After`` above one minute and retries after its own, short delay."""

_NEWEST: Final = 0.2
"""Weight of the newest request in the moving average: about the last ten requests count."""


class Admission:
    """Decides whether one more request may go to a model's worker, and when to come back if not.

    The worker's own queue is where requests wait; this bounds how many do.

    Parameters:
        slots: Requests that run at once; may change when the worker has loaded the model.
        queue: Requests that may wait besides those.

    Event loop thread.
    """

    __slots__ = ("_queue", "_service_s", "slots")

    def __init__(self, slots: int, queue: int) -> None:
        self.slots = slots
        self._queue = queue
        self._service_s: float | None = None

    def admit(self, in_flight: int, answers: int = 1, timeout_s: float | None = None) -> None:
        """Let a request in.

        Parameters:
            in_flight: Answers that the worker owes already.
            answers: How many the request asks for; each takes a slot.
            timeout_s: Seconds until its deadline; None waits for ever.

        Raises:
            QueueFull: Slots and queue have no room for so many.
            DeadlineInfeasible: It would still be waiting at its deadline.
        """
        if in_flight + answers > self.slots + self._queue:
            raise QueueFull(
                f"{in_flight} requests are running or waiting for this model, and its queue is full; try again later",
                retry_after=self.retry_after(in_flight, answers),
            )
        if timeout_s is not None and self._wait_s(in_flight, answers) > timeout_s:
            raise DeadlineInfeasible(
                "the requests that wait for this model will take longer than the deadline of this one; "
                "try again later, or allow it more time",
                retry_after=self.retry_after(in_flight, answers),
            )

    def ended(self, service_s: float) -> None:
        """Learn from an answer that succeeded how long, in seconds, a slot is held."""
        before = self._service_s
        self._service_s = service_s if before is None else before + _NEWEST * (service_s - before)

    def retry_after(self, in_flight: int, answers: int = 1) -> float:
        """Seconds until a request for *answers* may start, clamped."""
        return min(max(self._wait_s(in_flight, answers), RETRY_MIN_S), RETRY_MAX_S)

    def _wait_s(self, in_flight: int, answers: int) -> float:
        """Seconds until the last of *answers* has started: those that must end before ÷ slots × mean time in one."""
        waiting = max(0, in_flight + answers - self.slots)
        return (self._service_s or 0.0) * waiting / self.slots
