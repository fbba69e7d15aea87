"""The bounded queue in front of one model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jackfield.errors import QueueFull

if TYPE_CHECKING:
    from jackfield.types import Timings

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

    def admit(self, in_flight: int) -> None:
        """Raise ``QueueFull`` where *in_flight* requests fill all slots and the queue."""
        if in_flight < self.slots + self._queue:
            return
        raise QueueFull(
            f"{in_flight} requests are running or waiting for this model, and its queue is full; try again later",
            retry_after=self.retry_after(in_flight),
        )

    def ended(self, timings: Timings) -> None:
        """Learn from a request that succeeded how long a slot is held."""
        service = timings.prefill_s + timings.decode_s
        before = self._service_s
        self._service_s = service if before is None else before + _NEWEST * (service - before)

    def retry_after(self, in_flight: int) -> float:
        """Seconds until the requests that wait now have started: waiting ÷ slots × mean time in a slot, clamped."""
        waiting = in_flight - self.slots + 1
        expected = (self._service_s or 0.0) * waiting / self.slots
        return min(max(expected, RETRY_MIN_S), RETRY_MAX_S)
