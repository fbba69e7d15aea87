"""Routes and handlers."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from itertools import chain
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import msgspec
from aiohttp import web

from jackfield.errors import InternalError, JackfieldError, MalformedBody, ModelNotFound, http
from jackfield.frontends.event_stream import EventStream
from jackfield.frontends.outputs import outputs
from jackfield.frontends.rules import IGNORED_SHOWN, shown
from jackfield.frontends.users import user_mark
from jackfield.ports.frontend import ErrorPayload, Route
from jackfield.types import Finished, Started
from jackfield_openai import operations
from jackfield_openai.answers import Answer, ChatAnswer, CompletionAnswer
from jackfield_openai.decode import decode_chat, decode_completion, decode_embedding
from jackfield_openai.embeddings import embedding_slices
from jackfield_openai.errors import error_body, error_payload
from jackfield_openai.models import model_object
from jackfield_openai.tiers import tiered

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence

    from jackfield.context import RequestContext
    from jackfield.frontends.outputs import Output
    from jackfield.ports.frontend import Gateway
    from jackfield.types import GenerateEvent
    from jackfield_openai.bodies import Call
    from jackfield_openai.config import OpenAIConfig

IGNORED_HEADER: Final = "x-jackfield-ignored"
PROCESSING_HEADER: Final = "openai-processing-ms"
_CHARSETS: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})


class OpenAIFrontend:
    """OpenAI's dialect.

    Parameters:
        gateway: What serves the requests.
        config: ``[config.openai]``.
    """

    def __init__(self, gateway: Gateway, config: OpenAIConfig) -> None:
        self._gateway = gateway
        self._config = config

    def routes(self) -> Sequence[Route]:
        """The paths of the dialect."""
        return (
            Route("GET", "/v1/models", self.models, scope="models:read", operation=operations.LIST_MODELS),
            Route("GET", "/v1/models/{id:.+}", self.model, scope="models:read", operation=operations.SHOW_MODEL),
            Route("POST", "/v1/chat/completions", self.chat, scope="generate", operation=operations.CHAT),
            Route("POST", "/v1/completions", self.completion, scope="generate", operation=operations.COMPLETE),
            Route("POST", "/v1/embeddings", self.embeddings, scope="embed", operation=operations.EMBED),
        )

    def render_error(self, error: JackfieldError, request_id: str) -> ErrorPayload:  # noqa: ARG002 - the port's
        """``{"error": {message, type, param, code}}``."""
        return error_payload(error)

    async def models(self, _request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /v1/models``: every model that the caller may use, under its own name."""
        cards = [model_object(card) for card in self._gateway.models(context)]
        return _json(msgspec.json.encode({"object": "list", "data": cards}))

    async def model(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /v1/models/{id}``: one model, by its name or an alias."""
        name = request.match_info["id"]
        for card in self._gateway.models(context):
            if name == card.name or name in card.aliases:
                return _json(msgspec.json.encode(model_object(card)))
        raise ModelNotFound(f"the model {shown(name)} does not exist", param="model")

    async def chat(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /v1/chat/completions``."""
        call = decode_chat(await _body(request), self._config.unknown_fields)
        return await self._serve(request, context, call, ChatAnswer)

    async def completion(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /v1/completions``."""
        call = decode_completion(await _body(request), self._config.unknown_fields)
        return await self._serve(request, context, call, CompletionAnswer)

    async def embeddings(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /v1/embeddings``."""
        call = decode_embedding(await _body(request), self._config.unknown_fields)
        pooled = await self._gateway.pool(context, call.request)
        slices = embedding_slices(pooled, context.model or call.request.model, base64=call.base64)
        return await _sliced(request, slices, _ignored(call.ignored))

    async def _serve(
        self, request: web.Request, context: RequestContext, call: Call, kind: type[Answer]
    ) -> web.StreamResponse:
        call = tiered(call, context.principal)
        context.user = user_mark(call.user)
        async with aclosing(outputs(self._gateway, context, call.requests)) as events:
            headers = _ignored(call.ignored)
            if not call.stream:
                first = await _next(events)
                answer = kind(call, context.model or call.requests[0].model)
                body = await _whole(answer, first, events)
                return _json(body, {**headers, **processing(context)})
            async with EventStream(request, headers, self._config.keepalive_s) as stream:
                await _stream(stream, call, kind, events, context)
                await stream.response.write_eof()
                return stream.response


def processing(context: RequestContext) -> Mapping[str, str]:
    """How long the server has been at it, in milliseconds, until the answer begins to leave."""
    return {PROCESSING_HEADER: str(round((time.monotonic() - context.arrived) * 1000))}


async def _body(request: web.Request) -> bytes:
    charset = request.charset
    if charset is not None and charset.lower() not in _CHARSETS:
        raise MalformedBody("the body must be UTF-8, as JSON is")
    return await request.read()


async def _next(events: AsyncGenerator[GenerateEvent, None]) -> Output:
    """The next event with a result. That a worker has accepted a request is none: a refusal can still be a status."""
    async for event in events:
        if not isinstance(event, Started):
            return event
    raise InternalError("generation ended without a result")


async def _whole(answer: Answer, event: Output, events: AsyncGenerator[GenerateEvent, None]) -> bytes:
    seen = [event]
    left = answer.choices - isinstance(event, Finished)
    while left:
        event = await _next(events)
        left -= isinstance(event, Finished)
        seen.append(event)
    return answer.whole(seen)


async def _stream(
    stream: EventStream,
    call: Call,
    kind: type[Answer],
    events: AsyncGenerator[GenerateEvent, None],
    context: RequestContext,
) -> None:
    try:
        event = await _next(events)
        answer = kind(call, context.model or call.requests[0].model)
        data = b""
        left = answer.choices
        if not stream.begun:
            stream.response.headers.update(processing(context))
        opening = True
        while True:
            if call.continuous_usage:
                answer.used(context.prompt_tokens, context.completion_tokens)
            if opening:
                data, opening = answer.opening(), False
            data += answer.event(event)
            left -= isinstance(event, Finished)
            if not left:
                await stream.send(data + answer.closing())
                return
            if data:
                await stream.send(data)
            data = b""
            event = await _next(events)
    except JackfieldError as error:
        if not stream.begun:
            raise
        # the status is out: one error event, then the end, and no end mark that would make it look whole
        context.code = http(error).code
        await stream.send(b"data: " + error_body(error) + b"\n\n")


async def _sliced(request: web.Request, slices: Iterator[bytes], headers: Mapping[str, str]) -> web.StreamResponse:
    """Send what is encoded slice by slice, so that neither memory nor the streams of others feel how long it is."""
    first, second = next(slices), next(slices, None)
    if second is None:
        return _json(first, headers)
    response = web.StreamResponse(headers={**headers, "Content-Type": "application/json"})
    await response.prepare(request)
    for piece in chain((first, second), slices):
        await response.write(piece)
        await asyncio.sleep(0)
    await response.write_eof()
    return response


def _json(body: bytes, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=body, content_type="application/json", headers=headers)


def _ignored(paths: Sequence[str]) -> Mapping[str, str]:
    if not paths:
        return {}
    # names are the client's own: quoting keeps line breaks and other scripts out of the header
    names = [quote(path, safe="[].") for path in paths[:IGNORED_SHOWN]]
    if len(paths) > IGNORED_SHOWN:
        names.append("...")
    return {IGNORED_HEADER: ",".join(names)}
