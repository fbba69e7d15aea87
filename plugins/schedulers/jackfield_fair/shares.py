"""What each tenant was served, divided by its weight: the virtual token counters of fair queueing.

After Sheng et al., "Fairness in Serving Large Language Models", OSDI 2024, arXiv:2401.00588, algorithm 2 (VTC).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class Shares:
    """A counter for each tenant that has something to do, or had it lately.

    Parameters:
        weights: Tenant → weight; 1 for who is not named.

    The tenant with the smallest counter is the one that got least of what is due to it.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._weights = weights
        self._counters: dict[str, float] = {}
        self._last_left: str | None = None

    def __len__(self) -> int:
        return len(self._counters)

    def weight(self, tenant: str) -> float:
        """Of *tenant*."""
        return self._weights.get(tenant, 1.0)

    def of(self, tenant: str) -> float:
        """What *tenant* was served, in tokens over its weight."""
        return self._counters.get(tenant, 0.0)

    def charge(self, tenant: str, tokens: int) -> None:
        """*tenant* was served *tokens*."""
        self._counters[tenant] = self.of(tenant) + tokens / self.weight(tenant)

    def join(self, tenant: str, rivals: Collection[str]) -> None:
        """*tenant*, which had nothing waiting, has now; *rivals* are those that have had.

        It starts level with the one that got least: time in which it asked for nothing earns nothing.
        """
        floor = min(map(self.of, rivals), default=None)
        if floor is None:
            floor = self.of(self._last_left) if self._last_left is not None else 0.0
        self._counters[tenant] = max(self.of(tenant), floor)

    def leave(self, tenant: str) -> None:
        """*tenant* has nothing waiting any more."""
        self._last_left = tenant

    def forget(self, busy: Collection[str], waiting: Collection[str]) -> None:
        """Drop the counters of tenants that have nothing to do, where coming back would lift them to the same.

        Parameters:
            busy: Tenants with sequences.
            waiting: Those of them with waiting ones.
        """
        if not busy:
            self._counters.clear()
            self._last_left = None
            return
        if len(self._counters) <= len(busy):
            return
        floor = min(map(self.of, waiting), default=0.0)
        gone = [tenant for tenant, counter in self._counters.items() if tenant not in busy and counter <= floor]
        for tenant in gone:
            del self._counters[tenant]
            if tenant == self._last_left:
                self._last_left = None
