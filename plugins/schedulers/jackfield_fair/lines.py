"""Who waits: one line for each tenant and priority, in order of arrival."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection
    from collections.abc import Set as AbstractSet

    from jackfield.ports.scheduler import SequenceView


class Line:
    """Waiting requests of one tenant and priority; at least one."""

    __slots__ = ("entries", "priority", "served_s", "tenant")

    def __init__(self, tenant: str, priority: int) -> None:
        self.tenant = tenant
        self.priority = priority
        self.entries: list[tuple[int, float]] = []
        """Id and arrival, oldest first."""
        self.served_s = -math.inf
        """When a running request that stood here last drew a token."""

    @property
    def first(self) -> int:
        """Id of who is next."""
        return self.entries[0][0]

    def level(self, now: float, ageing_s: float, most_urgent: int, entering: Collection[tuple[str, int]]) -> int:
        """Its priority, one step more urgent for each *ageing_s* without a token, but never beyond *most_urgent*.

        Parameters:
            now: Of the view.
            ageing_s: Of the plugin's options.
            most_urgent: The lowest priority of all that run or wait.
            entering: Tenants and priorities of which a prompt is being computed: what ageing has brought in must be
                seen to get on before it brings in more.
        """
        if self.priority == most_urgent or (self.tenant, self.priority) in entering:
            return self.priority
        since = max(self.served_s, self.entries[0][1])
        return max(most_urgent, self.priority - int(max(0.0, now - since) / ageing_s))


class Lines:
    """All lines."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, int], Line] = {}
        self._of: dict[int, Line] = {}
        self._tenants: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._of)

    @property
    def numbers(self) -> AbstractSet[int]:
        """Ids of all that wait."""
        return self._of.keys()

    @property
    def all(self) -> Collection[Line]:
        """Each with somebody in it."""
        return self._lines.values()

    @property
    def tenants(self) -> Collection[str]:
        """Those that wait."""
        return self._tenants.keys()

    def add(self, sequence: SequenceView) -> None:
        """*sequence* waits, at the place its arrival gives it."""
        key = sequence.tenant, sequence.priority
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = Line(*key)
            self._tenants[line.tenant] = self._tenants.get(line.tenant, 0) + 1
        insort(line.entries, (sequence.id, sequence.arrived))
        self._of[sequence.id] = line

    def remove(self, number: int) -> str | None:
        """It waits no more; return its tenant if that has nobody else waiting."""
        line = self._of.pop(number)
        del line.entries[bisect_left(line.entries, (number, -math.inf))]
        if line.entries:
            return None
        del self._lines[line.tenant, line.priority]
        self._tenants[line.tenant] -= 1
        if self._tenants[line.tenant]:
            return None
        del self._tenants[line.tenant]
        return line.tenant

    def served(self, tenant: str, priority: int, now: float) -> None:
        """A running request that stood in that line drew a token."""
        line = self._lines.get((tenant, priority))
        if line is not None:
            line.served_s = now
