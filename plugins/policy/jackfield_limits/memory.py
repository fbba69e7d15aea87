"""The ledger in this gateway's memory; the library ``limits`` decides whether there is so much left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from limits.strategies import FixedWindowRateLimiter, SlidingWindowCounterRateLimiter

from jackfield_limits.counters import Counters
from jackfield_limits.ledger import Count, Taken
from jackfield_limits.windows import Spans

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jackfield_limits.ledger import Entry, Hold
    from jackfield_limits.rules import Charge
    from jackfield_limits.snapshot import Snapshot


class MemoryLedger:
    """Implements ``jackfield_limits.ledger.Ledger``; never away.

    Parameters:
        most: How many counters are kept.
        clock: Unix seconds.
        snapshot: Where they outlive a restart; None: nowhere.

    Event loop thread. No method waits for anything but the file's last writing, so that what one does is one step.
    """

    def __init__(self, most: int, clock: Callable[[], float], snapshot: Snapshot | None = None) -> None:
        self._clock = clock
        self._counters = Counters(most, clock)
        self._fixed = FixedWindowRateLimiter(self._counters)
        self._sliding = SlidingWindowCounterRateLimiter(self._counters)
        self._spans = Spans()
        self._held: dict[str, int] = {}
        """Of places: how many are held, by key; none where none is."""
        self._open: dict[str, list[int]] = {}
        """What each hold has taken, by its id."""
        self._snapshot = snapshot
        if snapshot is not None:
            snapshot.read(self._counters)

    @property
    def away(self) -> bool:
        return False

    @property
    def troubles(self) -> Sequence[str]:
        troubles = [] if self._snapshot is None else list(self._snapshot.troubles)
        if self._counters.dropped:
            troubles.append(f"{self._counters.dropped} counters were forgotten: there are more than counters allows")
        return troubles

    async def take(self, hold: str, entries: Sequence[Entry]) -> Taken:
        granted = all(map(self._fits, entries))
        if granted:
            for entry in entries:
                self._add(entry)
            self._open[hold] = [entry.amount for entry in entries]
            self._changed()
        return Taken(granted, [self._count(entry.charge) for entry in entries])

    async def change(self, hold: Hold, amounts: Sequence[int], *, last: bool) -> None:
        taken = self._open.get(hold.id)
        if taken is None:
            return
        for place, (entry, index, amount) in enumerate(zip(hold.entries, hold.indexes, amounts, strict=True)):
            if entry.charge.item is None:
                self._give_back(entry.charge.key, max(0, taken[place] - amount))
                taken[place] = min(taken[place], amount)
            elif amount != taken[place]:
                self._counters.add(entry.charge.key, amount - taken[place], index)
                taken[place] = amount
        if last:
            del self._open[hold.id]
        self._changed()

    async def look(self, charges: Sequence[Charge]) -> Sequence[Count]:
        return list(map(self._count, charges))

    async def forget(self, charges: Sequence[Charge]) -> None:
        for charge in charges:
            if charge.item is not None:
                self._counters.clear(charge.key)
        self._changed()

    async def close(self) -> None:
        if self._snapshot is not None:
            await self._snapshot.close(self._counters)

    def _fits(self, entry: Entry) -> bool:
        charge = entry.charge
        if charge.item is None:
            return self._held.get(charge.key, 0) + entry.amount <= charge.limit
        strategy = self._sliding if charge.sliding else self._fixed
        return strategy.test(charge.item, charge.key, cost=entry.amount)

    def _add(self, entry: Entry) -> None:
        key = entry.charge.key
        if entry.charge.item is None:
            self._held[key] = self._held.get(key, 0) + entry.amount
        else:
            self._counters.add(key, entry.amount)

    def _give_back(self, key: str, amount: int) -> None:
        left = self._held.get(key, 0) - amount
        if left > 0:
            self._held[key] = left
        else:
            self._held.pop(key, None)

    def _count(self, charge: Charge) -> Count:
        if charge.item is None:
            return Count(self._held.get(charge.key, 0), 0, None)
        span = self._spans.at(charge.window, self._clock())
        counter = self._counters.find(charge.key)
        if counter is None:
            return Count(0, 0, span)
        return Count(counter.current, counter.previous if charge.sliding else 0, span)

    def _changed(self) -> None:
        if self._snapshot is not None:
            self._snapshot.due(self._counters)
