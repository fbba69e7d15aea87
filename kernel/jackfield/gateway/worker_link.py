"""One connection to one worker: requests out, events in."""

from __future__ import annotations

import asyncio
import time
from itertools import count
from typing import TYPE_CHECKING, Final, Protocol, TypeVar, cast

import structlog

from jackfield.channel.framing import FrameDecoder
from jackfield.channel.messages import Cancel, Events, Submit, to_gateway, to_worker
from jackfield.errors import (
    BodyTooLarge,
    ChannelError,
    DeadlineExceeded,
    InvalidRequest,
    JackfieldError,
    QueueFull,
    WorkerDied,
)
from jackfield.gateway.admission import Load
from jackfield.gateway.backlog import Backlog
from jackfield.gateway.forecast import Service
from jackfield.gateway.receiver import Receiver
from jackfield.gateway.replies import PoolReceiver, ReplyReceiver
from jackfield.pooled import Pooled
from jackfield.types import Finished, Started, TextDelta

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.channel.messages import SequenceEvent
    from jackfield.context import RequestContext
    from jackfield.pooled import PoolRequest
    from jackfield.ports.observer import EngineStats
    from jackfield.questions import Question
    from jackfield.types import GenerateRequest

UNSENT_MAX: Final = 64 * 1024 * 1024
"""Bytes that may wait for a worker's intake, as many as one frame may have; above it requests are refused."""


class Incoming(Protocol):
    """Takes the events of one request."""

    @property
    def remaining(self) -> int:
        """How many of its answers have not ended."""
        ...

    def put(self, event: SequenceEvent, now: float, /) -> bool:
        """Take *event* in; True if it was the last one."""
        ...

    def arrived(self) -> None:
        """All has been put that came at once: now it can be made ready."""
        ...

    def flush(self) -> None:
        """All others have made theirs ready too: now it can go out.

        Apart, because the system's calls, one right after the other, cost a third less than with Python in between.
        """
        ...

    def fail(self, error: JackfieldError) -> None:
        """End the request with *error*."""
        ...


ReceiverT = TypeVar("ReceiverT", bound=Incoming)


class WorkerLink(asyncio.Protocol):
    """The data conversation with a worker. Event loop thread.

    Parameters:
        model: The model's own name, for messages.
        served: Told of every answer that succeeded what it took.
        reported: Told of the engine's figures.
    """

    def __init__(
        self, model: str, *, served: Callable[[Service], None], reported: Callable[[EngineStats], None]
    ) -> None:
        self.model = model
        self._served = served
        self._reported = reported
        self._transport: asyncio.Transport | None = None
        self._closed = False
        self._frames = FrameDecoder()
        self._incoming = to_gateway()
        self._outgoing = to_worker()
        self._ids = count(1)
        self._open: dict[int, Incoming] = {}
        self._touched: dict[int, Incoming] = {}
        """Those that got something of what is being read."""
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._in_flight = 0
        self._backlog = Backlog()
        self._pooled_at = 0.0
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
    def load(self) -> Load:
        """What the worker has of this gateway."""
        return Load(self._in_flight, self._backlog.tokens)

    def submit(
        self, context: RequestContext, request: GenerateRequest, timeout_s: float | None = None
    ) -> tuple[int, Receiver]:
        """Send *request*; the number names it in ``cancel``.

        Parameters:
            context: The HTTP request it belongs to.
            request: What to generate.
            timeout_s: Seconds after which it fails, whether the worker says so or not.

        Raises:
            InvalidRequest: Something in it cannot be written as a message.
            QueueFull: The worker does not read fast enough.
            WorkerDied: The connection has ended.
        """
        number = self._send(context, request, timeout_s)
        self._backlog.sent(number, request.prompt)
        receiver = Receiver(context, request.n, scored=request.token_ids or request.logprobs is not None)
        return number, self._opened(number, receiver, timeout_s)

    def submit_pool(
        self, context: RequestContext, request: PoolRequest, timeout_s: float | None = None
    ) -> tuple[int, PoolReceiver]:
        """As ``submit``, for a request to a pooled model."""
        if not self._open:
            self._pooled_at = time.monotonic()
        number = self._send(context, request, timeout_s)
        return number, self._opened(number, PoolReceiver(context, len(request.inputs)), timeout_s)

    def ask(self, context: RequestContext, question: Question) -> tuple[int, ReplyReceiver]:
        """As ``submit``, for a question."""
        number = self._send(context, question, None)
        return number, self._opened(number, ReplyReceiver(), None)

    def cancel(self, number: int) -> None:
        """Stop a request; nothing happens if it has ended."""
        if self._forget(number) is not None and self._transport is not None and not self._closed:
            self._transport.write(self._outgoing.encode(Cancel(number)))

    def close(self, error: JackfieldError | None = None) -> None:
        """End the connection; every open request fails with *error* (or as if the worker had ended)."""
        self._closed = True
        for number in tuple(self._open):
            receiver = self._forget(number)
            if receiver is not None:
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
                    self._backlog.reported()
                    self._reported(message)
        except ChannelError as error:
            self._log.error("worker link broken", model=self.model, reason=type(error).__name__)
            self.close()
        touched, self._touched = self._touched, {}
        for receiver in touched.values():
            receiver.arrived()
        for receiver in touched.values():
            receiver.flush()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        if not self._closed:
            self._log.warning("worker link lost", model=self.model, failed=len(self._open))
        self.close()
        self._transport = None

    def _dispatch(self, events: list[tuple[int, SequenceEvent]]) -> None:
        now = time.monotonic()
        for number, event in events:
            receiver = self._open.get(number)
            if receiver is None:  # a request that was cancelled a moment ago may still have events under way
                continue
            self._touched[number] = receiver
            if isinstance(event, TextDelta):
                receiver.put(event, now)
                continue
            if self._backlog and isinstance(event, Started):
                self._backlog.measured(number, event.prompt_tokens)
            before = receiver.remaining
            last = receiver.put(event, now)
            if before != receiver.remaining:
                self._in_flight -= before - receiver.remaining
                self._learn(event, now)
            if last:
                self._forget(number)

    def _learn(self, event: SequenceEvent, now: float) -> None:
        """How long answers hold their place. Pooled requests take turns, so that one's turn began at another's end."""
        if isinstance(event, Finished):
            took, usage = event.timings, event.usage
            held_s = took.prefill_s + took.decode_s
            self._served(Service(held_s, took.prefill_s, usage.prompt_tokens, usage.completion_tokens))
        elif isinstance(event, Pooled):
            self._served(Service(now - self._pooled_at))
            self._pooled_at = now

    def _send(
        self, context: RequestContext, request: GenerateRequest | PoolRequest | Question, timeout_s: float | None
    ) -> int:
        transport = self._transport
        if transport is None or self._closed:
            raise self._gone()
        if transport.get_write_buffer_size() > UNSENT_MAX:
            raise QueueFull("too many large requests wait for this model; try again later")
        number = next(self._ids)
        tenant = "" if context.principal is None else context.principal.tenant
        transport.write(self._encoded(Submit(number, request, timeout_s, tenant)))
        return number

    def _opened(self, number: int, receiver: ReceiverT, timeout_s: float | None) -> ReceiverT:
        self._open[number] = receiver
        self._in_flight += receiver.remaining
        if timeout_s is not None:
            self._timers[number] = asyncio.get_running_loop().call_later(timeout_s, self._expire, number)
        return receiver

    def _expire(self, number: int) -> None:
        """The worker should have said so itself; one that is silent must not keep anybody waiting."""
        receiver = self._open.get(number)
        self.cancel(number)
        if receiver is not None:
            receiver.fail(DeadlineExceeded("the request's deadline passed before it was answered"))

    def _forget(self, number: int) -> Incoming | None:
        receiver = self._open.pop(number, None)
        if receiver is not None:
            self._in_flight -= receiver.remaining
            self._backlog.gone(number)
        if self._timers:
            timer = self._timers.pop(number, None)
            if timer is not None:
                timer.cancel()
        return receiver

    def _encoded(self, message: Submit) -> bytes:
        try:
            return self._outgoing.encode(message)
        except ChannelError as error:
            raise BodyTooLarge("the request is too large for the model's worker") from error
        except (UnicodeEncodeError, OverflowError) as error:
            raise InvalidRequest("the request has text or numbers that cannot be encoded") from error

    def _gone(self) -> WorkerDied:
        return WorkerDied(f"the worker of the model {self.model} ended while it served the request; try again")
