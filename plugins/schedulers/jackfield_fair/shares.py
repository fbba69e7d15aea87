"""What each tenant was served, divided by its weight: the virtual token counters of fair queueing.

After Sheng et al., "Fairness in Serving Large Language Models", OSDI 2024, arXiv:2401.00588, algorithm 2 (VTC).
"""

from __future__ import annotations

from heapq import heappop, heappush, heapreplace
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
        self._waiting: set[str] = set()
        self._running: Collection[str] = set()
        self._heap: list[tuple[float, str]] = []
        self._ranked: set[str] = set()
        self._last_left: str | None = None

    def __len__(self) -> int:
        return max(map(len, (self._counters, self._waiting, self._heap, self._ranked)))

    def weight(self, tenant: str) -> float:
        """Of *tenant*."""
        return self._weights.get(tenant, 1.0)

    def of(self, tenant: str) -> float:
        """What *tenant* was served, in tokens over its weight."""
        return self._counters.get(tenant, 0.0)

    def charge(self, tenant: str, tokens: int) -> None:
        """*tenant* was served *tokens*."""
        self._counters[tenant] = self._counters.get(tenant, 0.0) + tokens / self._weights.get(tenant, 1.0)

    def least(self) -> float | None:
        """What the tenant was served that got least of those that wait; None where nobody does.

        A tenant with nothing to do that was served no more is forgotten: coming back would lift it to the same.
        """
        while self._waiting:
            counter, tenant = self._heap[0]
            true = self.of(tenant)
            if true > counter:
                heapreplace(self._heap, (true, tenant))
            elif tenant in self._waiting:
                return counter
            else:
                self._unrank()
        return None

    def join(self, tenant: str) -> None:
        """*tenant*, which had nothing waiting, has now.

        It starts level with the one that got least: time in which it asked for nothing earns nothing.
        """
        floor = self.least()
        if floor is None:
            floor = self.of(self._last_left) if self._last_left is not None else 0.0
        self._counters[tenant] = max(self.of(tenant), floor)
        self.wait(tenant)

    def wait(self, tenant: str) -> None:
        """*tenant* has something waiting."""
        self._waiting.add(tenant)
        self._rank(tenant)

    def leave(self, tenant: str) -> None:
        """*tenant* has nothing waiting any more."""
        self._waiting.discard(tenant)
        self._last_left = tenant

    def run(self, tenants: Collection[str]) -> None:
        """*tenants* have something running, and no others; forget who has nothing to do where that changes nothing."""
        for tenant in self._running:
            if tenant not in tenants:
                self._rank(tenant)
        self._running = tenants
        if tenants or self._waiting:
            self.least()
        else:
            self._forget_all()

    def _rank(self, tenant: str) -> None:
        """*tenant* has one entry in the heap, which is at most its counter."""
        if tenant not in self._ranked:
            self._ranked.add(tenant)
            heappush(self._heap, (self.of(tenant), tenant))

    def _unrank(self) -> None:
        """The first of the heap leaves it: nothing of it waits."""
        _, tenant = heappop(self._heap)
        self._ranked.discard(tenant)
        if tenant not in self._running:
            self._counters.pop(tenant, None)
            if tenant == self._last_left:
                self._last_left = None

    def _forget_all(self) -> None:
        self._counters.clear()
        self._heap.clear()
        self._ranked.clear()
        self._last_left = None
