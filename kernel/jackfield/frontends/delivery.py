"""Events of a generation on their way to a client.

What a worker says in one step is encoded and written when it arrives, in the call that read it: no task has to wake up
for an event. A task waits only for the stream's begin, for its end, and for a client that reads too slowly; what comes
meanwhile is kept, and goes out as fewer and longer events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from jackfield.types import GenerateEvent

Encode: TypeAlias = "Callable[[GenerateEvent], bytes]"
"""Makes whole events of a stream of one event of a generation; no bytes where it has nothing to show."""


class Sink(Protocol):
    """Where the bytes of a stream go."""

    @property
    def ready(self) -> bool:
        """Whether ``write`` may be called now."""
        ...

    def write(self, events: bytes, /) -> None:
        """Send whole events at once."""
        ...

    async def send(self, events: bytes, /) -> None:
        """The same, also where the stream has not begun or is not ready; waits until it is."""
        ...


class Taker(Protocol):
    """Takes the events of one generation, in order."""

    @property
    def ready(self) -> bool:
        """Whether ``take`` may be called now."""
        ...

    def take(self, events: Sequence[GenerateEvent], /) -> None:
        """What came at once. It must not wait; what it raises ends the generation.

        ``flush`` follows before anything else is asked.
        """
        ...

    def flush(self) -> None:
        """Send what was taken, as soon as all streams of a step have taken theirs."""
        ...

    async def send(self, events: Sequence[GenerateEvent], /) -> None:
        """The same where it is not ready; waits until it is."""
        ...


@runtime_checkable
class Delivering(Protocol):
    """A generation that hands its events over itself, as they arrive."""

    async def deliver(self, taker: Taker, /) -> None:
        """Give *taker* all events, until the last one was taken.

        Raises:
            JackfieldError: As ``Gateway.generate``.
            Exception: What *taker* raised.
        """
        ...


async def deliver(events: AsyncGenerator[GenerateEvent, None], sink: Sink, encode: Encode) -> None:
    """Send what *encode* makes of *events*, until they end.

    Parameters:
        events: As ``Gateway.generate`` gives them. What has come at once goes out with one write.
        sink: Where to.
        encode: Called for each event, in order.

    Raises:
        JackfieldError: As ``Gateway.generate``.
        ConnectionError: The client has gone.
    """
    taker = _Encoded(sink, encode)
    if isinstance(events, Delivering):
        await events.deliver(taker)
        return
    async for event in events:
        await taker.send((event,))


class _Encoded:
    """Encodes what it takes."""

    __slots__ = ("_encode", "_encoded", "_sink")

    def __init__(self, sink: Sink, encode: Encode) -> None:
        self._sink = sink
        self._encode = encode
        self._encoded = b""

    @property
    def ready(self) -> bool:
        return self._sink.ready

    def take(self, events: Sequence[GenerateEvent]) -> None:
        self._encoded = self._bytes(events)

    def flush(self) -> None:
        if self._encoded:
            self._sink.write(self._encoded)
            self._encoded = b""

    async def send(self, events: Sequence[GenerateEvent]) -> None:
        data = self._bytes(events)
        if data:
            await self._sink.send(data)

    def _bytes(self, events: Sequence[GenerateEvent]) -> bytes:
        if len(events) == 1:
            return self._encode(events[0])
        return b"".join([self._encode(event) for event in events])
