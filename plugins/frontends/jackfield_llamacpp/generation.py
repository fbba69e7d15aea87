"""``/completion`` and ``/infill``: from a decoded body to the last byte."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from jackfield.errors import InternalError, JackfieldError, http
from jackfield.frontends.delivery import deliver
from jackfield.frontends.event_stream import EventStream
from jackfield.frontends.exchange import ignored_header, json_answer
from jackfield.frontends.outputs import outputs
from jackfield.questions import Detokenise, Text
from jackfield.types import Finished, GenerateRequest, PromptProgress, Started, TextDelta, TextPrompt, TokenPrompt
from jackfield_llamacpp.answers import Choice
from jackfield_llamacpp.decode import Asked, drawn
from jackfield_llamacpp.errors import error_body
from jackfield_llamacpp.prompts import resolved

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from aiohttp import web

    from jackfield.context import RequestContext
    from jackfield.ports.frontend import Gateway
    from jackfield.types import GenerateEvent

NEVER_S: Final = 1e9
"""Seconds of silence before a comment, where the client wants none."""


class Call(NamedTuple):
    """What is computed for one body."""

    requests: Sequence[GenerateRequest]
    texts: Sequence[str]
    """Of the prompts."""
    asked: Asked

    @property
    def choices(self) -> int:
        """How many answers there will be."""
        return len(self.requests) * self.asked.request.n


async def prepared(
    gateway: Gateway, context: RequestContext, model: str, recommended: Mapping[str, float], asked: Asked
) -> Call:
    """Name the model, draw as it is *recommended* for it, and turn texts among tokens into tokens."""
    first = msgspec.structs.replace(asked.request, model=model, sampling=drawn(asked, recommended))
    if not asked.prompts:
        return Call([first], [""], asked)
    requests: list[GenerateRequest] = []
    texts: list[str] = []
    for mixed in asked.prompts:
        prompt = await resolved(gateway, context, model, mixed)
        requests.append(msgspec.structs.replace(first, prompt=prompt))
        texts.append(await _text(gateway, context, model, prompt))
    return Call(requests, texts, asked)


async def _text(gateway: Gateway, context: RequestContext, model: str, prompt: TextPrompt | TokenPrompt) -> str:
    if isinstance(prompt, TextPrompt):
        return prompt.text
    reply = await gateway.ask(context, Detokenise(model=model, tokens=prompt.tokens))
    if not isinstance(reply, Text):
        raise InternalError("a worker has answered something else")
    return reply.text.decode(errors="replace")


async def answered(
    request: web.Request, gateway: Gateway, context: RequestContext, call: Call, keepalive_s: float
) -> web.StreamResponse:
    """Serve *call*, whole or as a stream."""
    headers = ignored_header(call.asked.ignored)
    context.whole = not call.asked.body.stream
    async with aclosing(outputs(gateway, context, call.requests)) as events:
        if not call.asked.body.stream:
            return json_answer(await _whole(call, context, events), headers)
        async with EventStream(request, headers, _silence(call, keepalive_s)) as stream:
            await _stream(stream, call, context, events)
            await stream.response.write_eof()
            return stream.response


def _silence(call: Call, keepalive_s: float) -> float:
    wanted = call.asked.body.sse_ping_interval
    if wanted is None:
        return keepalive_s
    return float(wanted) if wanted > 0 else NEVER_S


def _choices(call: Call, context: RequestContext) -> list[Choice]:
    each = call.asked.request.n
    return [
        Choice(index, call.requests[index // each], call.asked, context.model, call.texts[index // each])
        for index in range(call.choices)
    ]


async def _whole(call: Call, context: RequestContext, events: AsyncGenerator[GenerateEvent, None]) -> bytes:
    choices: list[Choice] = []
    ends: dict[int, Finished] = {}
    async for event in events:
        choices = choices or _choices(call, context)
        if isinstance(event, Started):
            _start(choices, call, event)
        elif isinstance(event, TextDelta):
            choices[event.index].add(event)
        elif isinstance(event, Finished):
            ends[event.index] = event
    if len(ends) < call.choices:
        raise InternalError("generation ended without a result")
    answers = [choice.whole(ends[index]) for index, choice in enumerate(choices)]
    return msgspec.json.encode(answers if len(answers) > 1 else answers[0])


def _start(choices: Sequence[Choice], call: Call, started: Started) -> None:
    for choice in choices[started.index : started.index + call.asked.request.n]:
        choice.start(started)


async def _stream(
    stream: EventStream, call: Call, context: RequestContext, events: AsyncGenerator[GenerateEvent, None]
) -> None:
    answer = _Streamed(call, context)
    try:
        await deliver(events, stream, answer.events)
        if answer.left:
            raise InternalError("generation ended without a result")
    except JackfieldError as error:
        if not stream.begun:
            raise
        # the status is out: one error event, then the end
        context.code = http(error).code
        await stream.send(b"data: " + error_body(error) + b"\n\n")


class _Streamed:
    """The answers event by event.

    Parameters:
        call: What was asked.
        context: The request's.
    """

    def __init__(self, call: Call, context: RequestContext) -> None:
        self.left = call.choices
        """Answers that have not ended."""
        self._call = call
        self._context = context
        self._choices: list[Choice] = []

    def events(self, event: GenerateEvent) -> bytes:
        """What *event* becomes."""
        choices = self._choices = self._choices or _choices(self._call, self._context)
        if isinstance(event, TextDelta):
            return choices[event.index].event(event)
        if isinstance(event, Started):
            _start(choices, self._call, event)
        elif isinstance(event, PromptProgress):
            return choices[event.index].progress_event(event)
        elif isinstance(event, Finished):
            self.left -= 1
            return choices[event.index].last_event(event)
        return b""
