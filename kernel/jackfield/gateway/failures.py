"""How many bad credentials each address has sent lately."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

from jackfield.gateway.addresses import site

if TYPE_CHECKING:
    from collections.abc import Callable

BURST: Final = 10
"""Failures that one address may have at once: somebody who mistypes, a few programs with an old key."""

REFILL_S: Final = 6.0
"""Seconds after which one more failure is allowed: ten a minute in the long run."""

ADDRESSES_MAX: Final = 10_000
"""Addresses that are remembered, about 2 MB; the one that failed longest ago is forgotten first."""


class _Bucket(NamedTuple):
    full_at: float
    """The time at which it will be full again: that is the whole bucket."""
    throttled: int
    """How many failures have found it empty since the last one that did not."""


class Failure(NamedTuple):
    """What one bad credential means for its address."""

    wait_s: float | None
    """Seconds until the address may fail again; None where it may fail now."""
    throttled: int
    """How many were throttled in a row: with this one, or, where it may fail, before it."""


class Failures:
    """A token bucket for each address: failures take, time gives back. Event loop thread.

    It never refuses a good credential, whatever its neighbours behind one address do: it is asked only after a bad one.

    Parameters:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def note(self, address: str) -> Failure:
        """A bad credential came from *address*."""
        key, now = site(address), self._clock()
        before = self._buckets.pop(key, _Bucket(now, 0))
        full_at = max(before.full_at, now)
        wait_s = full_at - now - (BURST - 1) * REFILL_S
        if wait_s <= 0:
            self._buckets[key] = _Bucket(full_at + REFILL_S, 0)
            found = Failure(None, before.throttled)
        else:
            self._buckets[key] = _Bucket(full_at, before.throttled + 1)
            found = Failure(wait_s, before.throttled + 1)
        if len(self._buckets) > ADDRESSES_MAX:
            self._buckets.popitem(last=False)
        return found

    def __len__(self) -> int:
        """How many addresses are remembered."""
        return len(self._buckets)
