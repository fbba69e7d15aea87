"""Who waits: one line for each tenant and priority, in order of arrival."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import Counter
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from jackfield.ports.scheduler import SequenceView

    Entry: TypeAlias = "tuple[int, float, int, int, Line]"
    """Of a line in the order of lines: its rank, a number that makes it unique, and the line."""

AnyKey = TypeVar("AnyKey", bound="str | int")

PATIENCE: Final = 10
"""Steps of age for which those who are as urgent as can be wait for others that were served less than their share."""


class Line:
    """Waiting requests of one tenant and priority; at least one."""

    __slots__ = ("entries", "entry", "place", "priority", "served_s", "tenant")

    def __init__(self, tenant: str, priority: int, place: int) -> None:
        self.tenant = tenant
        self.priority = priority
        self.place = place
        """Among all lines."""
        self.entries: list[tuple[int, float]] = []
        """Id and arrival, oldest first."""
        self.served_s = -math.inf
        """When a running request that stood here last drew a token."""
        self.entry: Entry | None = None
        """Where it stands in the order of lines; None once nobody waits here."""

    @property
    def first(self) -> int:
        """Id of who is next."""
        return self.entries[0][0]

    def level(self, now: float, ageing_s: float, most_urgent: int, entering: Collection[tuple[str, int]]) -> int:
        """Its priority, one step more urgent for each *ageing_s* without a token, up to *most_urgent*.

        ``PATIENCE`` steps after that it is before everybody: also who was served more than its share, for what was more
        urgent, does not starve until all others have caught up.

        Parameters:
            now: Of the view.
            ageing_s: Of the plugin's options.
            most_urgent: The lowest priority of all that run or wait.
            entering: Tenants and priorities of which a prompt is being computed: what ageing has brought in must be
                seen to get on before it brings in more.
        """
        if (self.tenant, self.priority) in entering:
            return self.priority
        since = max(self.served_s, self.entries[0][1])
        level = self.priority - int(max(0.0, now - since) / ageing_s)
        return most_urgent - 1 if level <= most_urgent - PATIENCE else max(most_urgent, level)


class Lines:
    """All lines."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, int], Line] = {}
        self._all: list[Line] = []
        self._of: dict[int, Line] = {}
        self._tenants: Counter[str] = Counter()
        self._priorities: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self._of)

    @property
    def all(self) -> Sequence[Line]:
        """Each with somebody in it, at its ``place``."""
        return self._all

    @property
    def priorities(self) -> Collection[int]:
        """Those of the lines, each once."""
        return self._priorities.keys()

    @property
    def tenants(self) -> Collection[str]:
        """Those that wait."""
        return self._tenants.keys()

    def add(self, sequence: SequenceView) -> Line:
        """*sequence* waits, at the place its arrival gives it; return its line."""
        key = sequence.tenant, sequence.priority
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = Line(*key, len(self._all))
            self._all.append(line)
            self._tenants[line.tenant] += 1
            self._priorities[line.priority] += 1
        insort(line.entries, (sequence.id, sequence.arrived))
        self._of[sequence.id] = line
        return line

    def remove(self, number: int) -> str | None:
        """It waits no more; return its tenant if that has nobody else waiting."""
        line = self._of.pop(number)
        del line.entries[bisect_left(line.entries, (number, -math.inf))]
        if line.entries:
            return None
        self._close(line)
        return None if line.tenant in self._tenants else line.tenant

    def served(self, stood: tuple[str, int], now: float) -> None:
        """A running request of that tenant and priority drew a token."""
        line = self._lines.get(stood)
        if line is not None:
            line.served_s = now

    def _close(self, line: Line) -> None:
        """Nobody stands there any more; the last one takes its place."""
        line.entry = None
        del self._lines[line.tenant, line.priority]
        last = self._all.pop()
        if last is not line:
            self._all[line.place] = last
            last.place = line.place
        _take(self._tenants, line.tenant)
        _take(self._priorities, line.priority)


def _take(counts: Counter[AnyKey], key: AnyKey) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
