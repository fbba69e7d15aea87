"""Whose turn it is among the lines, kept from step to step."""

from __future__ import annotations

from heapq import heapify, heappop, heappush, heapreplace
from typing import TYPE_CHECKING, Final, TypeAlias

from jackfield_fair.config import PRIORITY_SPAN

if TYPE_CHECKING:
    from collections.abc import Collection

    from jackfield_fair.lines import Entry, Line, Lines
    from jackfield_fair.shares import Shares

    Rank: TypeAlias = tuple[int, float, int]
    """Level, what its tenant was served, arrival: the smallest goes first."""

LOOKED_AT: Final = 32
"""Lines whose age is looked at in a step, in turn: with so many or fewer each is in every step."""

STALE_MAX: Final = 64
"""Entries that no longer count, besides one for each line, from which on they are cleared away."""


class Order:
    """A heap of lines by rank.

    An entry may be too good and never, but for age, too bad: a rank that has risen is put right when it comes to the
    front, a new first request enters before everybody, and age is looked at in turn. So a step costs the same however
    many wait.

    Parameters:
        lines: Who waits.
        shares: What tenants were served.
        ageing_s: Of the plugin's options.
    """

    def __init__(self, lines: Lines, shares: Shares, ageing_s: float) -> None:
        self._lines = lines
        self._shares = shares
        self._ageing_s = ageing_s
        self._heap: list[Entry] = []
        self._taken: list[Entry] = []
        self._entries = 0
        self._next = 0
        self._now = 0.0
        self._most_urgent = 0
        self._entering: Collection[tuple[str, int]] = ()

    def __len__(self) -> int:
        return len(self._heap) + len(self._taken)

    def enter(self, line: Line) -> None:
        """Somebody came to *line* who may be its first."""
        self._push(line, (-PRIORITY_SPAN, 0.0, line.first))

    def begin(self, now: float, most_urgent: int, entering: Collection[tuple[str, int]]) -> None:
        """A step; the parameters are those of ``Line.level``. Who was taken in the last one is back."""
        self._now, self._most_urgent, self._entering = now, most_urgent, entering
        for entry in self._taken:
            heappush(self._heap, entry)
        self._taken.clear()
        self._look_at_ages()
        if len(self._heap) > 2 * len(self._lines.all) + STALE_MAX:
            self._heap = [entry for entry in self._heap if entry[4].entry is entry]
            heapify(self._heap)

    def clear(self) -> None:
        """Nobody waits."""
        self._heap.clear()
        self._taken.clear()

    def best(self) -> Entry | None:
        """Whose turn it is."""
        heap = self._heap
        while heap:
            entry = heap[0]
            line = entry[4]
            if line.entry is not entry:
                heappop(heap)
                continue
            rank = self._rank(line)
            if rank <= entry[:3]:
                return entry
            self._entries += 1
            line.entry = (*rank, self._entries, line)
            heapreplace(heap, line.entry)
        return None

    def take(self) -> None:
        """The best one leaves until the next step."""
        self._taken.append(heappop(self._heap))

    def _rank(self, line: Line) -> Rank:
        level = line.level(self._now, self._ageing_s, self._most_urgent, self._entering)
        return level, self._shares.of(line.tenant), line.first

    def _look_at_ages(self) -> None:
        lines = self._lines.all
        for _ in range(min(LOOKED_AT, len(lines))):
            self._next = (self._next + 1) % len(lines)
            line = lines[self._next]
            rank = self._rank(line)
            if line.entry is None or rank < line.entry[:3]:
                self._push(line, rank)

    def _push(self, line: Line, rank: Rank) -> None:
        self._entries += 1
        line.entry = (*rank, self._entries, line)
        heappush(self._heap, line.entry)
