"""Sinks elsewhere: records wait in a bounded queue, and go out in batches, again and again until they arrive.

Implements ``AuditSink``, ``Lossy``, ``Condition`` and ``Reloading`` of ``jackfield.ports``. Nobody waits for what is
elsewhere: the file is the record, these are copies. What does not fit the queue is lost, counted and reported.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from jackfield_audit.envelope import Envelopes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jackfield.ports.audit import AuditEvent
    from jackfield_audit.chain import ChainKey
    from jackfield_audit.config import AuditConfig

COLLECT_S: Final = 0.2
"""How long records wait for others to go with them."""

RETRY_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Waits between attempts; the last one goes on for ever."""

SEND_S: Final = 10.0
"""How long one attempt may take."""

CLOSE_S: Final = 3.0
"""How long ``close`` waits for what still waits."""


class Parcel:
    """A record on its way."""

    __slots__ = ("body", "event")

    def __init__(self, event: AuditEvent, body: bytes) -> None:
        self.event = event
        self.body = body
        """As JSON in ASCII, on one line."""


class Channel(Protocol):
    """Takes parcels to where they belong. Event loop thread."""

    @property
    def name(self) -> str:
        """Where that is, for people, without secrets."""
        ...

    async def send(self, parcels: Sequence[Parcel]) -> int:
        """Send *parcels*, in order: how many were refused for good. Whatever is raised has them sent again."""
        ...

    def reload(self) -> None:
        """Read secrets again. Any thread; raises ``ManifestError`` where they cannot be had."""
        ...

    async def close(self) -> None:
        """Give back what it holds."""
        ...


class RemoteSink:
    """See ``jackfield.ports.audit.AuditSink``. Event loop thread.

    Parameters:
        key: Reads the key for what is hashed.
        config: What is shown.
        channel: Where records go.
        most: Most records that wait.
        batch: Most records of one attempt.

    Attributes:
        lost: See ``Lossy``.
    """

    def __init__(
        self, key: Callable[[], ChainKey], config: AuditConfig, channel: Channel, most: int, batch: int
    ) -> None:
        self._key = key
        self._config = config
        self._envelopes = Envelopes(key(), config)
        self._channel = channel
        self._most = most
        self._batch = batch
        self._queue: deque[Parcel] = deque()
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._trouble = ""
        self._number = 0
        self._closing = False
        self.lost = 0

    @property
    def troubles(self) -> Sequence[str]:
        """See ``Condition``."""
        lost = f"{self.lost} records were lost on their way to {self._channel.name}" if self.lost else ""
        return [each for each in (self._trouble, lost) if each]

    def note(self, event: AuditEvent) -> None:
        if len(self._queue) >= self._most:
            self.lost += 1
            return
        self._number += 1
        self._queue.append(Parcel(event, self._envelopes.body(self._number, event)))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        self._arrived.set()

    async def write(self, event: AuditEvent) -> None:
        self.note(event)

    async def reload(self) -> None:
        """See ``Reloading``."""
        await asyncio.to_thread(self._channel.reload)
        self._envelopes = Envelopes(await asyncio.to_thread(self._key), self._config)

    async def close(self) -> None:
        self._closing = True
        self._arrived.set()
        if self._task is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await asyncio.shield(self._task)
            self._task.cancel()
            await asyncio.wait([self._task])
            self.lost += len(self._queue)
        await self._channel.close()

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            if not self._closing:
                await asyncio.sleep(COLLECT_S)
            self._arrived.clear()
            while self._queue:
                await self._deliver([self._queue[index] for index in range(min(self._batch, len(self._queue)))])
            if self._closing:
                return

    async def _deliver(self, parcels: Sequence[Parcel]) -> None:
        attempt = 0
        while True:
            try:
                async with asyncio.timeout(SEND_S):
                    refused = await self._channel.send(parcels)
            except Exception as error:  # noqa: BLE001 -- whatever it is, it is tried again, and said
                self._trouble = f"records do not reach {self._channel.name}: {type(error).__name__}"
                await asyncio.sleep(RETRY_S[min(attempt, len(RETRY_S) - 1)])
                attempt += 1
                continue
            self.lost += refused  # only now: others were lost while it was sent
            self._trouble = ""
            for _ in parcels:
                self._queue.popleft()
            return
