"""Routes and handlers."""

from __future__ import annotations

from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from jackfield.errors import InternalError, JackfieldError, http
from jackfield.frontends.delivery import deliver
from jackfield.frontends.event_stream import EventStream
from jackfield.frontends.exchange import IGNORED, ignored_header, json_answer, read_body
from jackfield.frontends.users import user_mark
from jackfield.ports.frontend import ErrorPayload, Operation, Parameter, Route
from jackfield.questions import Rendered
from jackfield.types import Finished, PromptProgress, Started
from jackfield_anthropic import fields
from jackfield_anthropic.answers import Answer
from jackfield_anthropic.decode import decode_count, decode_messages
from jackfield_anthropic.errors import REQUEST_ID_HEADER, ErrorBody, error_body, error_payload
from jackfield_anthropic.headers import LIMITS, limit_headers
from jackfield_anthropic.shapes import Counted, CountRequest, Event, MessageAnswer, MessageRequest

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from aiohttp import web

    from jackfield.capabilities import Need
    from jackfield.context import RequestContext
    from jackfield.frontends.outputs import Delta
    from jackfield.ports.frontend import Gateway
    from jackfield.types import GenerateEvent
    from jackfield_anthropic.bodies import Call
    from jackfield_anthropic.config import AnthropicConfig
    from jackfield_anthropic.decode import Thinks

_HEADERS = (
    Parameter(name="anthropic-version", where="header", description="Accepted; every version is answered alike."),
    Parameter(name="anthropic-beta", where="header", description="Accepted; the body's fields say what is asked."),
)


class AnthropicFrontend:
    """Anthropic's dialect.

    Parameters:
        gateway: What serves the requests.
        config: ``[config.anthropic]``.
    """

    def __init__(self, gateway: Gateway, config: AnthropicConfig) -> None:
        self._gateway = gateway
        self._config = config

    def routes(self) -> Sequence[Route]:
        """The paths of the dialect."""
        return (
            Route("POST", "/v1/messages", self.messages, scope="generate", operation=_MESSAGES),
            Route("POST", "/v1/messages/count_tokens", self.count, scope="generate", operation=_COUNT),
        )

    def render_error(self, error: JackfieldError, request_id: str) -> ErrorPayload:
        """``{"type": "error", "error": {type, message}, "request_id"}``."""
        return error_payload(error, request_id)

    async def messages(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /v1/messages``."""
        call = decode_messages(await read_body(request), self._config.unknown_fields, self._thinks(context))
        context.user = user_mark(call.user)
        context.whole = not call.stream
        headers = _headers(context, call.ignored)
        async with aclosing(self._gateway.generate(context, call.request)) as events:
            if not call.stream:
                body = await _whole(call, events, context)
                return json_answer(body, {**headers, **_left(context)})
            left = partial(_left, context)
            async with EventStream(request, headers, self._config.keepalive_s, left) as stream:
                await _stream(stream, call, events, context)
                await stream.response.write_eof()
                return stream.response

    async def count(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /v1/messages/count_tokens``."""
        question, ignored = decode_count(await read_body(request), self._config.unknown_fields, self._thinks(context))
        reply = await self._gateway.ask(context, question)
        if not isinstance(reply, Rendered):
            raise InternalError("the question was answered with something else")
        headers = {**_headers(context, ignored), **limit_headers(context.standings)}
        return json_answer(msgspec.json.encode({"input_tokens": reply.tokens}), headers)

    def _thinks(self, context: RequestContext) -> Thinks | None:
        """What tells models that think from others, where asking the others for thoughts is no reason to refuse."""
        if self._config.unknown_fields == "strict":
            return None

        def thinks(name: str) -> bool:
            known = (card for card in self._gateway.models(context) if name == card.name or name in card.aliases)
            return all(card.capabilities is None or card.capabilities.reasoning != "none" for card in known)

        return thinks


async def _whole(call: Call, events: AsyncGenerator[GenerateEvent, None], context: RequestContext) -> bytes:
    started: Started | None = None
    deltas: list[Delta] = []
    async for event in events:
        if isinstance(event, Started):
            started = event
        elif isinstance(event, Finished):
            return Answer(call, context.model or call.request.model, started).whole(deltas, event)
        elif not isinstance(event, PromptProgress):
            deltas.append(event)
    raise InternalError("generation ended without a result")


async def _stream(
    stream: EventStream, call: Call, events: AsyncGenerator[GenerateEvent, None], context: RequestContext
) -> None:
    answer = _StreamedAnswer(call, context)
    try:
        await deliver(events, stream, answer.events)
        if not answer.ended:
            raise InternalError("generation ended without a result")
    except JackfieldError as error:
        if not stream.begun:
            raise
        # the status is out: one error event, then the end, and no message_stop that would make it look whole
        context.code = http(error).code
        await stream.send(b"event: error\ndata: " + error_body(error, context.request_id) + b"\n\n")


class _StreamedAnswer:
    """The answer event by event. That a worker accepts a request is none: a refusal can still be a status."""

    def __init__(self, call: Call, context: RequestContext) -> None:
        self._call = call
        self._context = context
        self._started: Started | None = None
        self._answer: Answer | None = None
        self.ended = False

    def events(self, event: GenerateEvent) -> bytes:
        """What *event* becomes."""
        if isinstance(event, Started):
            self._started = event
            return b""
        if isinstance(event, PromptProgress):
            return b""
        begun = b""
        if self._answer is None:
            self._answer = Answer(self._call, self._context.model or self._call.request.model, self._started)
            begun = self._answer.opening()
        if not isinstance(event, Finished):
            return begun + self._answer.delta(event)
        self.ended = True
        return begun + self._answer.closing(event)


def _left(context: RequestContext) -> Mapping[str, str]:
    return limit_headers(context.standings)


def _headers(context: RequestContext, ignored: Sequence[str]) -> Mapping[str, str]:
    return {REQUEST_ID_HEADER: context.request_id, **ignored_header(ignored)}


_NEED: Mapping[str, Need] = {"thinking": "reasoning", "tool_choice": "tools", "tools": "tools"}
_EXAMPLE = {"model": "demo", "messages": [{"role": "user", "content": "Hello"}]}
_with_chat = partial(
    Operation,
    error=ErrorBody,
    parameters=_HEADERS,
    headers=(IGNORED, Parameter(name=REQUEST_ID_HEADER, where="header", description="As x-request-id"), *LIMITS),
    task="generate",
    needs=("chat",),
    fields_need=_NEED,
)
_MESSAGES = _with_chat(
    summary="Answer a conversation, as Anthropic's Messages API.",
    body=MessageRequest,
    example={**_EXAMPLE, "max_tokens": 16},
    answer=MessageAnswer,
    events=Event,
    honoured=tuple(sorted(fields.MESSAGES_HONOURED)),
)
_COUNT = _with_chat(
    summary="Count the tokens of a conversation.",
    body=CountRequest,
    example=_EXAMPLE,
    answer=Counted,
    honoured=tuple(sorted(fields.COUNT_HONOURED)),
    task=None,  # it is a question, and no work
    needs=(),
    fields_need={},
)
