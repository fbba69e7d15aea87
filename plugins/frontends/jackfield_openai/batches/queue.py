"""The queue: whose batches are worked on, by turns, going on where a killed gateway stopped.

Of each tenant one batch is worked on at a time, the oldest first, and of up to ``TENANTS_MAX`` tenants at once; where
more wait, those that have had their turn make room. Each has a place for one line, and shares ``batch_lines`` - 1 more.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog

from jackfield.errors import JackfieldError
from jackfield.logs import traceback_of
from jackfield.ports.records import PAGE_MAX
from jackfield_openai.batches import records as kinds
from jackfield_openai.batches.files import Files
from jackfield_openai.batches.places import Places
from jackfield_openai.batches.records import BatchRecords
from jackfield_openai.batches.work import BatchWork

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.ports.frontend import Gateway
    from jackfield.ports.records import Record, RecordStore
    from jackfield_openai.batches.answerer import Answerer
    from jackfield_openai.config import OpenAIConfig

TENANTS_MAX: Final = 8
"""Tenants whose batches are worked on at once: each batch is in memory meanwhile."""

TURN_S: Final = 60.0
"""How long a tenant's turn is where others wait for one."""

LEASE_S: Final = 15.0
"""How long a batch of a gateway that was killed waits for another one."""

POLL_S: Final = 5.0
"""Between two looks for batches that another gateway has left."""

_TENANTS_KNOWN: Final = 10_000


class Lost(Exception):
    """The lease is over: another gateway may work on the batch."""


class Turn:
    """The work on one batch of one tenant, while this gateway does it."""

    def __init__(self, work: BatchWork, task: asyncio.Task[None]) -> None:
        self.work = work
        self.task = task
        self.began = time.monotonic()


class BatchQueue:
    """Works on everybody's batches. Gateway's event loop.

    Parameters:
        gateway: Where they are kept.
        config: ``[config.openai]``.
        answerer: Answers the lines.
        lease_s: See ``LEASE_S``.
        wait_s: Seconds before a line is tried again, at first; each time twice as long.
        turn_s: See ``TURN_S``.
        tenants: See ``TENANTS_MAX``.
    """

    def __init__(
        self,
        gateway: Gateway,
        config: OpenAIConfig,
        answerer: Answerer,
        *,
        lease_s: float = LEASE_S,
        wait_s: float = 0.5,
        turn_s: float = TURN_S,
        tenants: int = TENANTS_MAX,
    ) -> None:
        self._gateway = gateway
        self._answerer = answerer
        self._places = Places(config.batch_lines)
        self._lease_s = lease_s
        self._wait_s = wait_s
        self._turn_s = turn_s
        self._tenants = tenants
        self._turns: dict[str, Turn] = {}
        self._served: dict[str, float] = {}
        """When each tenant's last turn ended, in monotonic seconds."""
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """There is something to do."""
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            while True:
                self._wake.clear()
                if self._gateway.records is not None:
                    with suppress(JackfieldError):  # the kernel has logged that its store failed
                        await self._look(self._gateway.records)
                # wait_for would lose a cancellation that comes with the event
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(POLL_S, self._lease_s, self._turn_s)):
                        await self._wake.wait()
        finally:
            await self._stop()

    async def _stop(self) -> None:
        tasks = [turn.task for turn in self._turns.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self, store: RecordStore) -> None:
        """Begin the turns that there is room for, and end those that others have waited for long enough."""
        waiting: dict[str, list[Record]] = {}
        for mark in await _open(store):
            if mark.tenant not in self._turns:
                waiting.setdefault(mark.tenant, []).append(mark)
        begun = 0
        for tenant in sorted(waiting, key=lambda each: self._served.get(each, 0.0)):
            if len(self._turns) >= self._tenants:
                break
            begun += await self._begin(store, tenant, waiting[tenant])
        if len(waiting) > begun and len(self._turns) >= self._tenants:
            self._end_longest()

    def _end_longest(self) -> None:
        turn = min(self._turns.values(), key=lambda each: each.began)
        if time.monotonic() - turn.began >= self._turn_s:
            turn.work.pause()

    async def _begin(self, store: RecordStore, tenant: str, marks: Sequence[Record]) -> bool:
        batches = BatchRecords(store, tenant)
        for mark in marks:
            if await batches.take(mark.parent, self._lease_s):
                files = Files(store, tenant)
                work = BatchWork(self._gateway, self._answerer, batches, files, self._places, self._wait_s)
                task = asyncio.get_running_loop().create_task(self._turn(work, batches, mark.parent))
                self._turns[tenant] = Turn(work, task)
                return True
        return False

    async def _turn(self, work: BatchWork, batches: BatchRecords, batch_id: str) -> None:
        working = asyncio.ensure_future(work.run(batch_id))
        renewing = asyncio.ensure_future(self._renew(batches, batch_id))
        try:
            await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (working, renewing):
                task.cancel()
            done = await asyncio.gather(working, renewing, return_exceptions=True)
            if not isinstance(done[1], Lost):
                with suppress(JackfieldError):
                    await batches.leave(batch_id)
            self._ended(batches.tenant, done[0])

    def _ended(self, tenant: str, result: object) -> None:
        del self._turns[tenant]
        self._served[tenant] = time.monotonic()
        if len(self._served) > _TENANTS_KNOWN:
            del self._served[min(self._served, key=lambda each: self._served[each])]
        if isinstance(result, JackfieldError):
            return  # the store failed, which the kernel has logged; the next look goes on
        if isinstance(result, Exception):
            structlog.get_logger("jackfield.openai").error("a batch failed", traceback=traceback_of(result))
            return
        self.wake()

    async def _renew(self, batches: BatchRecords, batch_id: str) -> None:
        """Stay the one who works on it; a store that fails for a moment does not end that."""
        renewed = time.monotonic()
        while True:
            await asyncio.sleep(self._lease_s / 4)
            if time.monotonic() - renewed > self._lease_s:
                raise Lost
            with suppress(JackfieldError):
                if not await batches.renew(batch_id, self._lease_s):
                    raise Lost
                renewed = time.monotonic()


async def _open(store: RecordStore) -> Sequence[Record]:
    """The marks of all batches that have work left, oldest first."""
    found: list[Record] = []
    while page := await store.find(kinds.OPEN, None, after=found[-1].id if found else "", limit=PAGE_MAX):
        found += page
    return found
