"""How long to wait before a child is started again."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_S: Final = 60.0
"""A child that cannot work is tried once a minute: often enough to heal by itself, seldom enough not to burn a core."""

STABLE_S: Final = 300.0
"""A child that served this long before it died starts over with the first delay."""

JITTER: Final = 0.1
"""Share by which a delay varies either way, so that many servers hit by one fault do not restart in step."""


class Backoff:
    """Delays that double from *first_s* to ``LONGEST_S``.

    Parameters:
        first_s: First delay in seconds.
        uniform: ``random.uniform``, or a stand-in for tests.
    """

    __slots__ = ("_first_s", "_next_s", "_uniform")

    def __init__(self, first_s: float, uniform: Callable[[float, float], float] = random.uniform) -> None:
        self._first_s = first_s
        self._next_s = first_s
        self._uniform = uniform

    def delay(self, served_s: float) -> float:
        """Seconds to wait now, the child having served for *served_s* seconds before it died (0 if it never did)."""
        if served_s >= STABLE_S:
            self._next_s = self._first_s
        delay = self._next_s
        self._next_s = min(2 * delay, LONGEST_S)
        return delay * self._uniform(1 - JITTER, 1 + JITTER)
