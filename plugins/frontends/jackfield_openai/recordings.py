"""Streams that can be taken up again: what was sent is kept for a while, and what comes is written down meanwhile."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from jackfield.errors import InvalidRequest, RecordNotFound
from jackfield_openai.records import identity_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from jackfield.context import RequestContext
    from jackfield.ports.identity import Principal

_ID_BYTES: Final = 16

AT_ONCE: Final = 256
"""Events that a reader takes at a time."""


class _Reader:
    """Who reads a recording, and how far it has come."""

    __slots__ = ("read",)

    def __init__(self, read: int) -> None:
        self.read = read
        """Number of the last event that it has."""


class Recording:
    """The events of one answer, each with a number, 1 for the first. Event loop thread.

    Implements ``jackfield_openai.serving.Sink``. Any number may read, and each gets the same. The answer waits for the
    one who came last, as a plain stream does; for others, of whom the server may not yet know that they have gone, it
    does not wait, and while nobody reads, the oldest events give way.

    Parameters:
        context: Of the request; whoever has sent it may read. Originals of what guardrails have masked in it are not
            kept; the reader gets them back.
        most: Bytes that are kept.
    """

    def __init__(self, context: RequestContext, most: int) -> None:
        self.id: Final = os.urandom(_ID_BYTES).hex()
        self.over = False
        """Whether nothing more comes."""
        self.failure: Exception | None = None
        """What ended it, where that is no event."""
        self.producer: asyncio.Task[None] | None = None
        self.expiry: asyncio.TimerHandle | None = None
        self._owner = identity_of(context.principal)
        self._context = context
        self._most = most
        self._events: deque[bytes] = deque()
        self._first = 1
        self._bytes = 0
        self._readers: list[_Reader] = []
        self._changed = asyncio.Event()

    @property
    def begun(self) -> bool:
        """Whether there is an event."""
        return self._first > 1 or bool(self._events)

    @property
    def attached(self) -> bool:
        """Whether anybody reads."""
        return bool(self._readers)

    def belongs_to(self, principal: Principal | None) -> bool:
        """Whether *principal* asked for it."""
        return self._owner == identity_of(principal)

    @property
    def ready(self) -> bool:
        """Whether there is room for more."""
        return self._bytes < self._most

    def write(self, events: bytes) -> None:
        """Write down *events*."""
        if self._context.masking is not None:
            events = self._context.masking.hidden_events(events)
        for event in events.split(b"\n\n"):
            if event:
                self._keep(event)
        self._tell()

    async def send(self, events: bytes) -> None:
        """Write down *events*; waits while the reader is too far behind."""
        self.write(events)
        while self._bytes > self._most and len(self._events) > 1:
            while self._readers and self._readers[-1].read < self._first:
                await self._changed.wait()
            self._bytes -= len(self._events.popleft())
            self._first += 1

    def _keep(self, event: bytes) -> None:
        number = self._first + len(self._events)
        numbered = b"id: %d\n%b\n\n" % (number, event)
        self._events.append(numbered)
        self._bytes += len(numbered)

    def end(self, failure: Exception | None = None) -> None:
        """Nothing more comes."""
        self.over, self.failure = True, failure
        self._tell()

    def check(self, last: int) -> None:
        """Raise ``InvalidRequest`` if what follows event *last* is not there any more, or event *last* never was."""
        self._check_kept(last)
        if last >= self._first + len(self._events):
            raise InvalidRequest("there is no event of that number", param="after")

    async def after(self, last: int) -> AsyncGenerator[bytes, None]:
        """What follows event *last*, as it comes, until the answer ends.

        Raises:
            InvalidRequest: Somebody else reads, and this reader has fallen behind what is kept.
            Exception: What went wrong; after the first event a ``JackfieldError`` is an event, and not raised.
        """
        reader = _Reader(last)
        self._readers.append(reader)
        self._tell()
        try:
            while True:
                ready = self._following(reader.read)
                if ready:
                    # told as read only once it was taken
                    yield self._shown(b"".join(ready))
                    reader.read += len(ready)
                    self._tell()
                elif self.failure is not None:
                    raise self.failure
                elif self.over:
                    return
                else:
                    await self._changed.wait()
        finally:
            self._readers.remove(reader)
            self._tell()

    def _shown(self, events: bytes) -> bytes:
        masking = self._context.masking
        return events if masking is None else masking.shown_events(events)

    def _following(self, last: int) -> Sequence[bytes]:
        """Some of the events after number *last*."""
        self._check_kept(last)
        # from the end, where most readers are: a deque is slow in its middle
        back = self._first + len(self._events) - 1 - last
        return [self._events[-each] for each in range(back, max(0, back - AT_ONCE), -1)]

    def _check_kept(self, last: int) -> None:
        if last + 1 < self._first:
            raise InvalidRequest("the events after that one are not kept any more", param="after")

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class Recordings:
    """All that can be taken up again. Event loop thread.

    Parameters:
        resume_s: Seconds for which an answer goes on, or is kept, without a reader.
        most: How many there are at most.
        most_bytes: Of one.
    """

    def __init__(self, resume_s: float, most: int, most_bytes: int) -> None:
        self._resume_s = resume_s
        self._most = most
        self._most_bytes = most_bytes
        self._all: dict[str, Recording] = {}

    def begin(self, context: RequestContext, produce: Callable[[Recording], Awaitable[None]]) -> Recording | None:
        """A new recording of the work of *context*, which *produce* fills; None where there are as many as may be."""
        if len(self._all) >= self._most and not self._forget_oldest():
            return None
        recording = Recording(context, self._most_bytes)
        self._all[recording.id] = recording
        self._expire(recording)
        recording.producer = asyncio.create_task(_produced(recording, produce))
        return recording

    def find(self, wanted: str, principal: Principal | None) -> Recording:
        """The recording of that id, which *principal* asked for.

        Raises:
            RecordNotFound: There is none; that it is somebody else's is not told.
        """
        recording = self._all.get(wanted)
        if recording is None or not recording.belongs_to(principal):
            raise RecordNotFound("there is no such stream: it ended a while ago, or the server was started again")
        return recording

    async def follow(self, recording: Recording, last: int) -> AsyncGenerator[bytes, None]:
        """As ``Recording.after``; when the last reader leaves, the time begins to run."""
        if recording.expiry is not None:
            recording.expiry.cancel()
            recording.expiry = None
        try:
            async with aclosing(recording.after(last)) as events:
                async for piece in events:
                    yield piece
        finally:
            if not recording.attached:
                self._expire(recording)

    def drop(self, recording: Recording) -> None:
        """Cancel what still runs, and forget it."""
        self._all.pop(recording.id, None)
        if recording.expiry is not None:
            recording.expiry.cancel()
        if recording.producer is not None:
            recording.producer.cancel()
        recording.end()

    def _expire(self, recording: Recording) -> None:
        loop = asyncio.get_running_loop()
        if recording.id in self._all:
            recording.expiry = loop.call_later(self._resume_s, self.drop, recording)

    def _forget_oldest(self) -> bool:
        """Whether one that has ended, and that nobody reads, could make room."""
        for recording in self._all.values():
            if recording.over and not recording.attached:
                self.drop(recording)
                return True
        return False


async def _produced(recording: Recording, produce: Callable[[Recording], Awaitable[None]]) -> None:
    try:
        await produce(recording)
    except Exception as error:  # noqa: BLE001 -- the reader raises it
        recording.end(error)
    else:
        recording.end()
