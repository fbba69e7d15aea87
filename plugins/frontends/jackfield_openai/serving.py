"""From events to answers: whole, streamed, and streamed into a recording."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from jackfield.errors import InternalError, JackfieldError, http
from jackfield.frontends.event_stream import EventStream
from jackfield.types import Finished, Started
from jackfield_openai.errors import error_body
from jackfield_openai.headers import work_headers

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from aiohttp import web

    from jackfield.context import RequestContext
    from jackfield.frontends.outputs import Output
    from jackfield.types import GenerateEvent
    from jackfield_openai.answers import Answer
    from jackfield_openai.bodies import Call
    from jackfield_openai.chats.keeping import Keep


class Sink(Protocol):
    """Where the events of a stream go."""

    @property
    def begun(self) -> bool:
        """Whether anything went there, so that an error can only be an event."""
        ...

    async def send(self, events: bytes) -> None:
        """Send one or more whole events."""
        ...


class TimedStream(EventStream):
    """An event stream that says how long it took until it began, and what room there was.

    Parameters:
        request: What it answers.
        context: Its.
        headers: Besides those of every event stream.
        keepalive_s: Seconds of silence before a comment.
    """

    __slots__ = ("_context",)

    def __init__(
        self, request: web.Request, context: RequestContext, headers: Mapping[str, str], keepalive_s: float
    ) -> None:
        super().__init__(request, headers, keepalive_s)
        self._context = context

    async def send(self, events: bytes) -> None:
        """See ``EventStream``."""
        if not self.begun:
            self.response.headers.update(work_headers(self._context))
        await super().send(events)


async def next_output(events: AsyncGenerator[GenerateEvent, None]) -> Output:
    """The next event with a result. That a worker has accepted a request is none: a refusal can still be a status."""
    async for event in events:
        if not isinstance(event, Started):
            return event
    raise InternalError("generation ended without a result")


async def whole(
    call: Call,
    kind: type[Answer],
    events: AsyncGenerator[GenerateEvent, None],
    context: RequestContext,
    keep: Keep | None = None,
) -> bytes:
    """The answer in one object, which *keep* is given before anybody sees it."""
    event = await next_output(events)
    answer = _answer(call, kind, context)
    seen = [event]
    left = answer.choices - isinstance(event, Finished)
    while left:
        event = await next_output(events)
        left -= isinstance(event, Finished)
        seen.append(event)
    body = answer.whole(seen)
    if keep is not None:
        await keep(body)
    return body


async def stream(
    sink: Sink,
    call: Call,
    kind: type[Answer],
    events: AsyncGenerator[GenerateEvent, None],
    context: RequestContext,
    keep: Keep | None = None,
) -> None:
    """The answer event by event; what goes wrong after the first is one too.

    Before it ends *keep* is given the whole of it.
    """
    try:
        await _events(sink, call, kind, events, context, keep)
    except JackfieldError as error:
        await fail(sink, error, context)


async def fail(sink: Sink, error: JackfieldError, context: RequestContext) -> None:
    """Say *error* in an event where the status is out; raise it where it can still be the status.

    No end mark follows, which would make the answer look whole.
    """
    if not sink.begun:
        raise error
    context.code = http(error).code
    await sink.send(b"data: " + error_body(error) + b"\n\n")


def _answer(call: Call, kind: type[Answer], context: RequestContext) -> Answer:
    return kind(call, context.model or call.requests[0].model, context.revision)


async def _events(
    sink: Sink,
    call: Call,
    kind: type[Answer],
    events: AsyncGenerator[GenerateEvent, None],
    context: RequestContext,
    keep: Keep | None,
) -> None:
    event = await next_output(events)
    answer = _answer(call, kind, context)
    seen: list[Output] = []
    if call.continuous_usage:
        answer.used(context.prompt_tokens, context.completion_tokens)
    data = answer.opening()
    left = answer.choices
    while True:
        data += answer.event(event)
        left -= isinstance(event, Finished)
        if keep is not None:
            seen.append(event)
        if not left:
            if keep is not None:
                await keep(answer.whole(seen))
            await sink.send(data + answer.closing())
            return
        if data:
            await sink.send(data)
        data = b""
        event = await next_output(events)
        if call.continuous_usage:
            answer.used(context.prompt_tokens, context.completion_tokens)
