"""Which requests are to be given up, and when."""

from __future__ import annotations

import heapq
import time
from itertools import count
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from jackfield.worker.links import RequestHandle

_SORT_EVERY: Final = 64
"""Every so many requests those that have ended are sorted out, so that a far deadline keeps none of them in memory."""

_LOOK_S: Final = 3600.0
"""Longest wait that is given: a selector takes no more than 24 days."""


class Deadlines:
    """The deadlines of open requests, nearest first. Links thread."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, RequestHandle]] = []
        self._numbers = count()

    def add(self, handle: RequestHandle, timeout_s: float) -> None:
        """*handle* has *timeout_s* seconds from now; what is no number is no time."""
        at = time.monotonic() + timeout_s if timeout_s > 0 else 0.0
        number = next(self._numbers)
        heapq.heappush(self._heap, (at, number, handle))
        if number % _SORT_EVERY == 0:
            self._heap = [entry for entry in self._heap if not entry[2].over]
            heapq.heapify(self._heap)

    def wait_s(self) -> float | None:
        """Seconds until one is due; None where there is none."""
        while self._heap and self._heap[0][2].over:
            heapq.heappop(self._heap)
        return min(max(0.0, self._heap[0][0] - time.monotonic()), _LOOK_S) if self._heap else None

    def due(self) -> list[RequestHandle]:
        """Those whose time is up; each is given once."""
        now = time.monotonic()
        handles: list[RequestHandle] = []
        while self._heap and self._heap[0][0] <= now:
            handles.append(heapq.heappop(self._heap)[2])
        return [handle for handle in handles if not handle.over]
