"""One connection to one worker: requests out, events in."""

from __future__ import annotations

import asyncio
import time
from itertools import count
from typing import TYPE_CHECKING, Final, cast

import structlog

from jackfield.channel.framing import FrameDecoder
from jackfield.channel.messages import Cancel, Events, Submit, to_gateway, to_worker
from jackfield.errors import BodyTooLarge, ChannelError, InvalidRequest, JackfieldError, QueueFull, WorkerDied
from jackfield.gateway.receiver import Receiver
from jackfield.types import Finished

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.channel.messages import SequenceEvent
    from jackfield.context import RequestContext
    from jackfield.ports.observer import EngineStats
    from jackfield.types import GenerateRequest

UNSENT_MAX: Final = 64 * 1024 * 1024
"""Bytes that may wait for a worker's intake, as many as one frame may have; above it requests are refused."""


class WorkerLink(asyncio.Protocol):
    """The data conversation with a worker. Event loop thread.

    Parameters:
        model: The model's own name, for messages.
        finished: Told of every request that succeeded.
        reported: Told of the engine's figures.
    """

    def __init__(
        self, model: str, *, finished: Callable[[Finished], None], reported: Callable[[EngineStats], None]
    ) -> None:
        self.model = model
        self._finished = finished
        self._reported = reported
        self._transport: asyncio.Transport | None = None
        self._closed = False
        self._frames = FrameDecoder()
        self._incoming = to_gateway()
        self._outgoing = to_worker()
        self._ids = count(1)
        self._open: dict[int, Receiver] = {}
        self._log = structlog.get_logger("jackfield.gateway")

    @property
    def alive(self) -> bool:
        """Whether requests can be submitted."""
        return self._transport is not None and not self._closed

    @property
    def closed(self) -> bool:
        """Whether it has ended for good."""
        return self._closed

    @property
    def in_flight(self) -> int:
        """Requests that the worker has not ended yet."""
        return len(self._open)

    def submit(self, context: RequestContext, request: GenerateRequest) -> tuple[int, Receiver]:
        """Send *request*; the number names it in ``cancel``.

        Raises:
            InvalidRequest: Something in it cannot be written as a message.
            QueueFull: The worker does not read fast enough.
            WorkerDied: The connection has ended.
        """
        transport = self._transport
        if transport is None or self._closed:
            raise self._gone()
        if transport.get_write_buffer_size() > UNSENT_MAX:
            raise QueueFull("too many large requests wait for this model; try again later")
        number = next(self._ids)
        transport.write(self._encoded(Submit(number, request)))
        receiver = self._open[number] = Receiver(context)
        return number, receiver

    def cancel(self, number: int) -> None:
        """Stop a request; nothing happens if it has ended."""
        receiver = self._open.pop(number, None)
        if receiver is None:
            return
        if self._transport is not None and not self._closed:
            self._transport.write(self._outgoing.encode(Cancel(number)))

    def close(self, error: JackfieldError | None = None) -> None:
        """End the connection; every open request fails with *error* (or as if the worker had ended)."""
        self._closed = True
        receivers, self._open = self._open, {}
        for receiver in receivers.values():
            receiver.fail(error or self._gone())
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have a stream transport's methods, but not its class
        self._transport = cast("asyncio.Transport", transport)
        if self._closed:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._closed:
            return
        try:
            for payload in self._frames.feed(data):
                message = self._incoming.decode(payload)
                if isinstance(message, Events):
                    self._dispatch(message.events)
                else:
                    self._reported(message)
        except ChannelError as error:
            self._log.error("worker link broken", model=self.model, reason=type(error).__name__)
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        if not self._closed:
            self._log.warning("worker link lost", model=self.model, failed=len(self._open))
        self.close()
        self._transport = None

    def _dispatch(self, events: list[tuple[int, SequenceEvent]]) -> None:
        now = time.monotonic()
        for number, event in events:
            receiver = self._open.get(number)
            # a request that was cancelled a moment ago may still have events under way
            if receiver is None or not receiver.put(event, now):
                continue
            del self._open[number]
            if isinstance(event, Finished):
                self._finished(event)

    def _encoded(self, message: Submit) -> bytes:
        try:
            return self._outgoing.encode(message)
        except ChannelError as error:
            raise BodyTooLarge("the request is too large for the model's worker") from error
        except (UnicodeEncodeError, OverflowError) as error:
            raise InvalidRequest("the request has text or numbers that cannot be encoded") from error

    def _gone(self) -> WorkerDied:
        return WorkerDied(f"the worker of the model {self.model} ended while it served the request; try again")
