"""Routes and handlers."""

from __future__ import annotations

import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web

from jackfield.errors import InternalError, JackfieldError, UnsupportedField, http
from jackfield.frontends.delivery import deliver
from jackfield.frontends.event_stream import LineStream
from jackfield.frontends.exchange import ignored_header, json_answer, read_body, sliced_answer
from jackfield.frontends.outputs import next_output
from jackfield.ports.frontend import ErrorPayload, Route
from jackfield.types import Finished, PromptProgress, Started
from jackfield_ollama import operations
from jackfield_ollama.answers import Answer, ChatAnswer, GenerateAnswer, nanoseconds
from jackfield_ollama.decode import (
    decode_chat,
    decode_embed,
    decode_embeddings,
    decode_generate,
    decode_show,
)
from jackfield_ollama.embeddings import embedding_slices, vector
from jackfield_ollama.errors import error_body, error_payload
from jackfield_ollama.models import listed, running, shown_model

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from jackfield.context import RequestContext
    from jackfield.frontends.outputs import Output
    from jackfield.pooled import Pooled
    from jackfield.ports.frontend import Gateway
    from jackfield.types import GenerateEvent
    from jackfield_ollama.bodies import Call, EmbedCall
    from jackfield_ollama.config import OllamaConfig

_PROBED: Final = "Ollama is running"
"""What clients look for to know that somebody speaks Ollama's API."""

_NOT_OFFERED: Final = (
    "this server has the models of its plugins.toml; it does not pull, push, create, copy or delete models"
)


class OllamaFrontend:
    """Ollama's dialect.

    Parameters:
        gateway: What serves the requests.
        config: ``[config.ollama]``.
    """

    def __init__(self, gateway: Gateway, config: OllamaConfig) -> None:
        self._gateway = gateway
        self._config = config

    def routes(self) -> Sequence[Route]:
        """The paths of the dialect."""
        reading, refused = "models:read", self.not_offered
        return (
            Route("POST", "/api/chat", self.chat, "generate", operations.CHAT),
            Route("POST", "/api/generate", self.generate, "generate", operations.GENERATE),
            Route("POST", "/api/embed", self.embed, "embed", operations.EMBED),
            Route("POST", "/api/embeddings", self.embeddings, "embed", operations.EMBEDDINGS),
            Route("GET", "/api/tags", self.tags, reading, operations.TAGS),
            Route("POST", "/api/show", self.show, reading, operations.SHOW),
            Route("GET", "/api/ps", self.running, reading, operations.PS),
            Route("GET", "/api/version", self.version, reading, operations.VERSION),
            Route("GET", "/", self.probe, reading, operations.PROBE),
            Route("POST", "/api/pull", refused, reading, operations.REFUSED),
            Route("POST", "/api/push", refused, reading, operations.REFUSED),
            Route("POST", "/api/create", refused, reading, operations.REFUSED),
            Route("POST", "/api/copy", refused, reading, operations.REFUSED),
            Route("DELETE", "/api/delete", refused, reading, operations.REFUSED),
            Route("GET", "/api/blobs/{digest}", refused, reading, operations.REFUSED_BLOB),
            Route("POST", "/api/blobs/{digest}", refused, reading, operations.REFUSED_BLOB),
        )

    def render_error(self, error: JackfieldError, request_id: str) -> ErrorPayload:  # noqa: ARG002 - the port's
        """``{"error": text}``."""
        return error_payload(error)

    async def chat(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /api/chat``."""
        body = await read_body(request)
        call = decode_chat(body, self._config.unknown_fields, self._gateway.models(context))
        return await self._serve(request, context, call, ChatAnswer)

    async def generate(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /api/generate``."""
        body = await read_body(request)
        call = decode_generate(body, self._config.unknown_fields, self._gateway.models(context))
        return await self._serve(request, context, call, GenerateAnswer)

    async def embed(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /api/embed``."""
        body = await read_body(request)
        call = decode_embed(body, self._config.unknown_fields, self._gateway.models(context))
        pooled = await self._pooled(context, call)
        took_ns = nanoseconds(time.monotonic() - context.arrived)
        return await sliced_answer(request, embedding_slices(pooled, call.model, took_ns), ignored_header(call.ignored))

    async def embeddings(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /api/embeddings``, which Ollama has replaced by ``/api/embed``."""
        body = await read_body(request)
        call = decode_embeddings(body, self._config.unknown_fields, self._gateway.models(context))
        pooled = await self._pooled(context, call)
        return _json({"embedding": vector(pooled.rows[0]) if pooled else []}, ignored_header(call.ignored))

    async def tags(self, _request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /api/tags``: every model that the caller may use."""
        return _json({"models": [listed(card) for card in self._gateway.models(context)]})

    async def running(self, _request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /api/ps``: those of them that are loaded."""
        return _json({"models": [running(card) for card in self._gateway.models(context) if card.ready]})

    async def show(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /api/show``: one model."""
        body = await read_body(request)
        card, ignored = decode_show(body, self._config.unknown_fields, self._gateway.models(context))
        return _json(shown_model(card), ignored_header(ignored))

    async def version(self, _request: web.Request, _context: RequestContext) -> web.StreamResponse:
        """``GET /api/version``."""
        return _json({"version": self._config.version})

    async def probe(self, _request: web.Request, _context: RequestContext) -> web.StreamResponse:
        """``GET /``."""
        return web.Response(text=_PROBED)

    async def not_offered(self, _request: web.Request, _context: RequestContext) -> web.StreamResponse:
        """Whatever would change which models there are."""
        raise UnsupportedField(_NOT_OFFERED)

    async def _pooled(self, context: RequestContext, call: EmbedCall) -> Pooled | None:
        if call.request is not None:
            return await self._gateway.pool(context, call.request)
        async with self._gateway.reach(context, call.model):
            return None

    async def _serve(
        self, request: web.Request, context: RequestContext, call: Call, kind: type[Answer]
    ) -> web.StreamResponse:
        answer = kind(call.model, context.arrived, scored=call.scored)
        headers = ignored_header(call.ignored)
        context.whole = not call.stream
        if call.request is None:
            async with self._gateway.reach(context, call.model):
                if call.unloads:
                    raise UnsupportedField("keep_alive: models stay loaded here; leave it out", param="keep_alive")
                return json_answer(answer.nothing(), headers)
        async with aclosing(self._gateway.generate(context, call.request)) as events:
            if not call.stream:
                return json_answer(await _whole(answer, events), headers)
            async with LineStream(request, headers, self._config.keepalive_s) as stream:
                await _stream(stream, answer, events, context)
                await stream.response.write_eof()
                return stream.response


async def _whole(answer: Answer, events: AsyncGenerator[GenerateEvent, None]) -> bytes:
    outputs: list[Output] = []
    while not isinstance(event := await next_output(events), Finished):
        outputs.append(event)
    return answer.whole(outputs, event)


async def _stream(
    stream: LineStream, answer: Answer, events: AsyncGenerator[GenerateEvent, None], context: RequestContext
) -> None:
    ended = False

    def lines(event: GenerateEvent) -> bytes:
        nonlocal ended
        if isinstance(event, Started | PromptProgress):
            return b""  # a refusal can still be a status
        ended = isinstance(event, Finished)
        return answer.line(event)

    try:
        await deliver(events, stream, lines)
        if not ended:
            raise InternalError("generation ended without a result")
    except JackfieldError as error:
        if not stream.begun:
            raise
        # the status is out: one line with the error, then the end, and no line that says it is done
        context.code = http(error).code
        await stream.send(error_body(error) + b"\n")


def _json(answer: Mapping[str, object], headers: Mapping[str, str] | None = None) -> web.Response:
    return json_answer(msgspec.json.encode(answer), headers)
