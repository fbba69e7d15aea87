"""Where lines are computed: each batch has one place of its own, and all batches of a gateway share the others."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping


class Places:
    """The places that are shared, first come, first served. Gateway's event loop.

    Parameters:
        count: Most lines of one batch at once.
    """

    def __init__(self, count: int) -> None:
        self.count: Final = count
        self.shared: Final = asyncio.Semaphore(count - 1)
        self.suspects: Final = asyncio.Lock()
        """Lines whose worker has died are tried again one at a time: one that kills it takes no other twice."""


class Room:
    """The places that one batch may use.

    Parameters:
        places: Those that it shares.
    """

    def __init__(self, places: Places) -> None:
        self._kinds = (asyncio.Semaphore(1), places.shared)

    @asynccontextmanager
    async def place(self, unneeded: asyncio.Event) -> AsyncGenerator[bool, None]:
        """Have a place; False where none was free before *unneeded* was set."""
        taken = await self._taken(unneeded)
        try:
            yield taken is not None
        finally:
            if taken is not None:
                taken.release()

    async def _taken(self, unneeded: asyncio.Event) -> asyncio.Semaphore | None:
        for kind in self._kinds:
            if not kind.locked():
                await kind.acquire()
                return kind
        asked = {asyncio.ensure_future(kind.acquire()): kind for kind in self._kinds}
        waiting = asyncio.ensure_future(unneeded.wait())
        try:
            await asyncio.wait({*asked, waiting}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            for kind in _granted(asked):
                kind.release()
            raise
        finally:
            waiting.cancel()
        granted = _granted(asked)
        for kind in granted[1:]:
            kind.release()
        return granted[0] if granted else None


def _granted(asked: Mapping[asyncio.Task[Literal[True]], asyncio.Semaphore]) -> list[asyncio.Semaphore]:
    """The places that were given; the others are not asked for any more."""
    for task in asked:
        task.cancel()
    return [kind for task, kind in asked.items() if task.done() and not task.cancelled()]
