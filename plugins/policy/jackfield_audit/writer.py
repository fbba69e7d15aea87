"""A thread that writes the record, so that a slow disk holds up nobody but those who must wait for it.

What arrives while it writes is written together next: as many requests as there are share one ``write`` and one
``fdatasync`` (group commit).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, NamedTuple

from jackfield.errors import AuditFailed
from jackfield.ports.audit import AuditEvent
from jackfield_audit.chain import ChainKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield_audit.trail import Trail

NOTE_S: Final = 0.05
"""How long an event waits that nobody waits for."""

BATCH_MAX: Final = 1000
"""Most events of one write."""

CLOSE_S: Final = 5.0
"""How long ``close`` waits for the thread."""


class _Waiting(NamedTuple):
    event: AuditEvent
    written: asyncio.Future[None] | None
    """Whoever waits for it."""


class _Rekeying(NamedTuple):
    key: ChainKey
    written: asyncio.Future[None]
    """Whoever waits for it."""


class Writer:
    """The queue before a trail. Event loop thread, but for its own thread.

    Parameters:
        trail: Where events go.
        durable: Whether each is on the disk before whoever waits goes on.
        delay_s: How long events wait that nobody waits for, seconds.
        drop: Whether events are lost where they cannot be written; else whoever waits for them is refused.
        most: Most events that wait.

    Attributes:
        lost: Events that are recorded nowhere.
        trouble: Why nothing can be written at present; empty while all is well.
    """

    def __init__(self, trail: Trail, *, durable: bool, delay_s: float, drop: bool, most: int) -> None:
        self._trail = trail
        self._durable = durable
        self._delay_s = delay_s
        self._drop = drop
        self._most = most
        self._queue: deque[_Waiting] = deque()
        self._rekeyings: deque[_Rekeying] = deque()
        # of all ways to wake a thread this is the cheapest: it waits without the interpreter's lock, in C
        self._wakes: SimpleQueue[None] = SimpleQueue()
        self._urgent = False
        self._closing = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._told = 0
        self.lost = 0
        self.trouble = ""

    def note(self, event: AuditEvent) -> None:
        """Take *event*; it is written soon, and before any that somebody waits for later.

        Raises:
            AuditFailed: Too many wait already.
        """
        if not self._room():
            return
        self._queue.append(_Waiting(event, None))
        loop = self._started()
        if self._timer is None:
            self._timer = loop.call_later(self._delay_s, self._ring)

    async def write(self, event: AuditEvent) -> None:
        """Return when *event* is written.

        Raises:
            AuditFailed: It cannot be.
        """
        if not self._room():
            return
        written = self._started().create_future()
        self._queue.append(_Waiting(event, written))
        self._hurry()
        await written

    async def rekey(self, key: ChainKey) -> None:
        """Return when what is written from now on is under *key*.

        Raises:
            AuditFailed: That cannot be recorded; the key stays as it was.
        """
        written = self._started().create_future()
        self._rekeyings.append(_Rekeying(key, written))
        self._hurry()
        await written

    async def close(self) -> None:
        """Write what waits, and end the thread."""
        thread = self._thread
        if thread is not None:
            self._closing = True
            self._wakes.put(None)
            await asyncio.to_thread(thread.join, CLOSE_S)
        if thread is None or not thread.is_alive():
            self._trail.close()

    def _room(self) -> bool:
        if len(self._queue) < self._most:
            return True
        if not self._drop:
            raise AuditFailed("what this server does must be recorded, and too much waits for that already")
        self.lost += 1
        return False

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
            self._thread.start()
        return self._loop

    def _ring(self) -> None:
        # not cancelled where somebody hurries before: it costs more than to find nothing, once in a while
        self._timer = None
        if self._queue:
            self._hurry()

    def _hurry(self) -> None:
        if not self._urgent:
            self._urgent = True
            self._wakes.put(None)

    def _run(self) -> None:
        """The thread: until ``close``, and all is written."""
        while True:
            self._wakes.get()
            self._urgent = False  # before the queue is looked at: what comes later wakes it again
            closing = self._closing
            while self._rekeyings:
                self._rekey()
            while self._queue:
                self._write_some()
            if closing:
                return

    def _write_some(self) -> None:
        some = [self._queue.popleft() for _ in range(min(len(self._queue), BATCH_MAX))]
        try:
            self._trail.append([*self._loss(), *(each.event for each in some)], durable=self._durable)
        except Exception as error:  # noqa: BLE001 -- the thread must go on; whoever waits is told
            self.trouble = f"nothing can be recorded: {_why(error)}"
            self._failed(some)
            return
        self.trouble = ""
        self._told = self.lost
        self._wake([each.written for each in some if each.written is not None], None)

    def _rekey(self) -> None:
        asked, refused = self._rekeyings.popleft(), None
        try:
            self._trail.rekey(asked.key)
        except Exception as error:  # noqa: BLE001 -- the thread must go on; whoever waits is told
            refused = AuditFailed(f"that there is another key cannot be recorded: {_why(error)}")
        self._wake([asked.written], refused)

    def _loss(self) -> Sequence[AuditEvent]:
        """What must be recorded of events that were lost since it was recorded last."""
        count = self.lost - self._told
        if not count:
            return ()
        return (
            AuditEvent(kind="audit", action="audit.lost", outcome="failed", time=time.time(), details={"count": count}),
        )

    def _failed(self, some: Sequence[_Waiting]) -> None:
        refused = None if self._drop else AuditFailed("what this server does must be recorded, and cannot be now")
        # whoever waits and is refused has not done what the event says
        self.lost += sum(each.written is None or self._drop for each in some)
        self._wake([each.written for each in some if each.written is not None], refused)

    def _wake(self, waiting: Sequence[asyncio.Future[None]], error: AuditFailed | None) -> None:
        if waiting and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_resolve, waiting, error)


def _resolve(waiting: Sequence[asyncio.Future[None]], error: AuditFailed | None) -> None:
    for each in waiting:
        if each.done():
            continue
        if error is None:
            each.set_result(None)
        else:
            each.set_exception(error)


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
