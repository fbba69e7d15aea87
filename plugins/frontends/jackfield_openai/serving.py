"""From events to answers: whole, streamed, and streamed into a recording."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from jackfield.errors import InternalError, JackfieldError, http
from jackfield.frontends.delivery import Sink as ByteSink
from jackfield.frontends.delivery import deliver
from jackfield.frontends.outputs import next_output
from jackfield.types import Finished, PromptProgress, Started
from jackfield_openai.errors import error_body

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from jackfield.context import RequestContext
    from jackfield.frontends.outputs import Output
    from jackfield.types import GenerateEvent
    from jackfield_openai.answers import Answer
    from jackfield_openai.bodies import Call
    from jackfield_openai.chats.keeping import Keep


class Sink(ByteSink, Protocol):
    """Where the events of a stream go."""

    @property
    def begun(self) -> bool:
        """Whether anything went there, so that an error can only be an event."""
        ...


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
        await keep(body, context.masking)
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
    answer = _Streamed(call, kind, context, kept=keep is not None)
    try:
        await deliver(events, sink, answer.events)
        closing = await answer.end(keep)
        if closing:
            await sink.send(closing)
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


class _Streamed:
    """An answer that is encoded event by event.

    Parameters:
        call: What was asked.
        kind: Of the answer.
        context: The request's.
        kept: Whether somebody wants the whole of it, before it ends.
    """

    def __init__(self, call: Call, kind: type[Answer], context: RequestContext, *, kept: bool) -> None:
        self._call = call
        self._kind = kind
        self._context = context
        self._answer: Answer | None = None
        self._left = call.choices
        self._seen: list[Output] | None = [] if kept else None

    def events(self, event: GenerateEvent) -> bytes:
        """What *event* becomes. That a worker has accepted a request is none: a refusal can still be a status."""
        if isinstance(event, Started):
            return b""
        answer, opening = self._answer, b""
        if answer is None:
            answer = self._answer = _answer(self._call, self._kind, self._context)
            opening = answer.opening()
        if self._call.continuous_usage:
            answer.used(self._context.prompt_tokens, self._context.completion_tokens)
        data = opening + answer.event(event)
        if isinstance(event, Finished):
            self._left -= 1
        if self._seen is not None and not isinstance(event, PromptProgress):
            self._seen.append(event)
        elif not self._left:
            data += answer.closing()
        return data

    async def end(self, keep: Keep | None) -> bytes:
        """Give *keep* the whole answer; what is still to be sent then."""
        if self._answer is None or self._left:
            raise InternalError("generation ended without a result")
        if keep is None or self._seen is None:
            return b""
        await keep(self._answer.whole(self._seen), self._context.masking)
        return self._answer.closing()
