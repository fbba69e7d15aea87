"""How many bad credentials each address has sent lately."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from jackfield.gateway.addresses import site

if TYPE_CHECKING:
    from collections.abc import Callable

BURST: Final = 10
"""Failures that one address may have at once: somebody who mistypes, a few programs with an old key."""

REFILL_S: Final = 6.0
"""Seconds after which one more failure is allowed: ten a minute in the long run."""

ADDRESSES_MAX: Final = 10_000
"""Addresses that are remembered, about 2 MB; the one that failed longest ago is forgotten first."""


class Failures:
    """A token bucket for each address: failures take, time gives back. Event loop thread.

    It never refuses a good credential, whatever its neighbours behind one address do: it is asked only after a bad one.

    Parameters:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def note(self, address: str) -> float | None:
        """A bad credential came from *address*.

        Returns:
            None while the address may fail; else seconds until it may again.
        """
        key, now = site(address), self._clock()
        # one number is the whole bucket: the time at which it will be full again
        full_at = max(self._full_at.pop(key, now), now)
        allowed = full_at - now <= (BURST - 1) * REFILL_S
        self._full_at[key] = full_at + REFILL_S if allowed else full_at
        if len(self._full_at) > ADDRESSES_MAX:
            self._full_at.popitem(last=False)
        return None if allowed else full_at - now - (BURST - 1) * REFILL_S

    def __len__(self) -> int:
        """How many addresses are remembered."""
        return len(self._full_at)
