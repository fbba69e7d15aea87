"""Decisions that are used again for a moment."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jackfield.ports.policy import Decision


class DecisionCache:
    """Decisions by question; the least recently made go first. One thread.

    Parameters:
        ttl_s: How long one is good; 0 keeps none.
        entries: Most of them.
    """

    def __init__(self, ttl_s: float, entries: int) -> None:
        self._ttl_s = ttl_s
        self._entries = entries
        self._kept: OrderedDict[bytes, tuple[float, Decision]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, question: bytes) -> Decision | None:
        """The decision, if it was made a moment ago."""
        found = self._kept.get(question)
        if found is None:
            return None
        if found[0] <= time.monotonic():
            del self._kept[question]
            return None
        return found[1]

    def put(self, question: bytes, decision: Decision) -> None:
        """Keep it."""
        if self._ttl_s <= 0:
            return
        self._kept.pop(question, None)
        while len(self._kept) >= self._entries:
            self._kept.popitem(last=False)
        self._kept[question] = (time.monotonic() + self._ttl_s, decision)
