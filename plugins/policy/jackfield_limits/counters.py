"""Counters of windows in memory: a storage for the library ``limits``, which decides by it.

The library's own storage in memory starts a thread, takes the time from nowhere but the system, knows windows that
begin with the first request only, and begins a window anew when a refund leaves as much as the next request takes. This
one counts in windows of the calendar, gives back to the window that was charged, is bounded, and can be written down.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from limits.storage import SlidingWindowCounterSupport, Storage

from jackfield_limits.windows import SECONDS, Spans

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


_LOOKED_AT: Final = 64
"""Of the counters that were used longest ago, when room is needed: a bounded piece of work."""


class Counter:
    """One counter: how much in the window *index*, and in the one before."""

    __slots__ = ("current", "index", "previous")

    def __init__(self, index: int, current: int = 0, previous: int = 0) -> None:
        self.index = index
        self.current = current
        self.previous = previous

    def roll(self, index: int) -> None:
        """The window is *index* now. One that is over does not come back: clocks may be set back."""
        if index > self.index:
            self.previous = self.current if index == self.index + 1 else 0
            self.current, self.index = 0, index


class Counters(Storage, SlidingWindowCounterSupport):
    """By key, which ends in ``:`` and the window's name; those used longest ago first. One thread.

    Parameters:
        most: How many; above it those that were used longest ago are forgotten.
        clock: Unix seconds.
    """

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        super().__init__()
        self._most = most
        self._clock = clock
        self._spans = Spans()
        self._counters: dict[str, Counter] = {}
        self.changes = 0
        """Grows with whatever changes a counter."""
        self.dropped = 0
        """Counters that were forgotten for want of room although their windows were not over."""

    def __len__(self) -> int:
        return len(self._counters)

    def find(self, key: str) -> Counter | None:
        """The counter as it is now, if there is one."""
        counter = self._counters.get(key)
        if counter is not None:
            counter.roll(self._spans.at(_window(key), self._clock()).number)
        return counter

    def add(self, key: str, amount: int, index: int | None = None) -> int:
        """Count *amount*, which may be below zero, in the window *index*, or in the present one.

        Returns:
            The index of the window. What belongs to one that is forgotten already is not counted.
        """
        counter = self._touched(key)
        self.changes += 1
        if index is None or index == counter.index:
            counter.current = max(0, counter.current + amount)
        elif index == counter.index - 1:
            counter.previous = max(0, counter.previous + amount)
        return counter.index if index is None else index

    def restore(self, key: str, counter: Counter) -> None:
        """Put back what was written down."""
        self._counters[key] = counter
        self._make_room()

    def all(self) -> Sequence[tuple[str, Counter]]:
        """All of them, as they are."""
        return list(self._counters.items())

    def idle(self, key: str) -> bool:
        """Whether that counter counts no more; then it is forgotten."""
        counter = self.find(key)
        if counter is not None and (counter.current or counter.previous):
            return False
        self._counters.pop(key, None)
        return True

    def _touched(self, key: str) -> Counter:
        counter = self.find(key)
        if counter is None:
            counter = Counter(self._spans.at(_window(key), self._clock()).number)
            self._make_room()
        else:
            del self._counters[key]
        self._counters[key] = counter  # last: used just now
        return counter

    def _make_room(self) -> None:
        if len(self._counters) < self._most:
            return
        oldest = list(islice(self._counters, _LOOKED_AT))
        if not [key for key in oldest if self.idle(key)]:
            del self._counters[oldest[0]]
            self.dropped += 1

    # what the library asks

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:  # noqa: ARG002 -- the key says how long its window is
        self.add(key, amount)
        return self.get(key)

    def get(self, key: str) -> int:
        counter = self.find(key)
        return 0 if counter is None else counter.current

    def get_expiry(self, key: str) -> float:
        return self._spans.at(_window(key), self._clock()).end

    def check(self) -> bool:
        return True

    def reset(self) -> int | None:
        dropped = len(self._counters)
        self._counters.clear()
        self.changes += 1
        return dropped

    def clear(self, key: str) -> None:
        if self._counters.pop(key, None) is not None:
            self.changes += 1

    def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        previous, left_s, current, _ = self.get_sliding_window(key, expiry)
        if not previous * left_s / expiry + current < limit - amount + 1:
            return False
        self.add(key, amount)
        return True

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        now = self._clock()
        left_s = self._spans.at(_window(key), now).left(now) * expiry
        counter = self.find(key)
        if counter is None:
            return 0, left_s, 0, left_s + expiry
        return counter.previous, left_s, counter.current, left_s + expiry

    def clear_sliding_window(self, key: str, expiry: int) -> None:  # noqa: ARG002 -- as above
        self.clear(key)


def known_window(key: str) -> bool:
    """Whether *key* ends in the name of a window."""
    return _window(key) in SECONDS


def _window(key: str) -> str:
    return key.rpartition(":")[2]
