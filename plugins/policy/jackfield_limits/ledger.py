"""Ledgers: where counters are. One in this gateway's memory, one in Redis; both count in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from jackfield_limits.rules import Charge
from jackfield_limits.windows import Span


class Entry(NamedTuple):
    """What is to be taken from one counter."""

    charge: Charge
    amount: int


class Count(NamedTuple):
    """What was taken from a counter by everybody."""

    current: int
    """In the window that is now, or held at present."""
    previous: int
    """In the window before; 0 where windows are fixed."""
    span: Span | None
    """The window that is now; None for what is held and given back."""


class Taken(NamedTuple):
    """What ``Ledger.take`` has done."""

    granted: bool
    counts: Sequence[Count]
    """Of each entry, with what was taken."""


class Hold(NamedTuple):
    """What one request has taken, to be changed or given back."""

    id: str
    """Unique among all gateways."""
    entries: Sequence[Entry]
    indexes: Sequence[int]
    """Of the windows that were charged; 0 for what is held."""


class Ledger(Protocol):
    """Counts. Event loop thread.

    Raises:
        LedgerAway: From all its methods but ``close``: nobody can tell what is left.
    """

    @property
    def away(self) -> bool:
        """Whether it did not answer when it was asked last."""
        ...

    @property
    def troubles(self) -> Sequence[str]:
        """What is wrong at present."""
        ...

    async def take(self, hold: str, entries: Sequence[Entry]) -> Taken:
        """Take all of *entries* under the name *hold*, or nothing where one has not so much left."""
        ...

    async def change(self, hold: Hold, amounts: Sequence[int], *, last: bool) -> None:
        """What was taken becomes *amounts*, in the windows in which it was taken; what is held becomes less only.

        Parameters:
            hold: Calls for one that has ended do nothing.
            amounts: One for each entry.
            last: It ends with that.
        """
        ...

    async def look(self, charges: Sequence[Charge]) -> Sequence[Count]:
        """What was taken from the counters of *charges*."""
        ...

    async def forget(self, charges: Sequence[Charge]) -> None:
        """Set the counters of *charges*, those of windows, to zero."""
        ...

    async def close(self) -> None:
        """Write down what must survive, and give back what it holds."""
        ...


class LedgerAway(Exception):
    """The ledger does not answer."""
