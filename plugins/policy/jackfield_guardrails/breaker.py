"""A circuit breaker: what has failed several times in a row is left alone for a while, then tried once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Breaker:
    """Counts failures. Event loop thread.

    Parameters:
        failures: In a row, after which nothing is let through.
        pause_s: For how long; then one call is let through, whose end decides.
        now: Tells the time.
    """

    def __init__(self, failures: int, pause_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self._most = failures
        self._pause_s = pause_s
        self._now = now
        self._failed = 0
        self._until = 0.0
        self._probing = False

    @property
    def open(self) -> bool:
        """Whether it has failed so often that nothing but a probe is let through."""
        return self._failed >= self._most

    def enter(self) -> bool:
        """Whether a call may be made now; who gets True says ``left`` how it has ended."""
        if not self.open:
            return True
        if self._probing or self._now() < self._until:
            return False
        self._probing = True
        return True

    def left(self, *, well: bool | None) -> None:
        """A call that was let through has ended; None says nothing, as where its caller has gone."""
        self._probing = False
        if well is None:
            return
        self._failed = 0 if well else self._failed + 1
        if self.open:
            self._until = self._now() + self._pause_s
