"""Routes and handlers."""

from __future__ import annotations

from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from jackfield.errors import JackfieldError, ModelNotFound
from jackfield.frontends.event_stream import EventStream
from jackfield.frontends.exchange import ignored_header, json_answer, read_body, sliced_answer
from jackfield.frontends.outputs import outputs
from jackfield.frontends.rules import shown
from jackfield.frontends.users import user_mark
from jackfield.ports.frontend import ErrorPayload, Route
from jackfield_openai import operations
from jackfield_openai.additions import completed
from jackfield_openai.answers import ChatAnswer, CompletionAnswer
from jackfield_openai.batches.answerer import Answerer
from jackfield_openai.batches.queue import BatchQueue
from jackfield_openai.batches.routes import Batches
from jackfield_openai.chats.keeping import keeping
from jackfield_openai.chats.routes import Chats
from jackfield_openai.decode import decode_chat, decode_completion, decode_embedding
from jackfield_openai.documents import check_documents
from jackfield_openai.embeddings import embedding_slices
from jackfield_openai.errors import error_payload
from jackfield_openai.headers import work_headers
from jackfield_openai.models import model_list, model_object
from jackfield_openai.moderations import Moderations
from jackfield_openai.responses.routes import Responses
from jackfield_openai.resumption import Resumption
from jackfield_openai.serving import stream, whole
from jackfield_openai.tiers import tiered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

    from jackfield.context import RequestContext
    from jackfield.ports.frontend import Gateway
    from jackfield_openai.answers import Answer
    from jackfield_openai.bodies import Call
    from jackfield_openai.config import OpenAIConfig
    from jackfield_openai.serving import Sink


class OpenAIFrontend:
    """OpenAI's dialect.

    Parameters:
        gateway: What serves the requests.
        config: ``[config.openai]``.
    """

    def __init__(self, gateway: Gateway, config: OpenAIConfig) -> None:
        self._gateway = gateway
        self._config = config
        self._responses = Responses(gateway, config)
        self._queue = BatchQueue(gateway, config, Answerer(gateway, config, self._responses))
        self._batches = Batches(gateway, self._queue)
        self._chats = Chats(gateway)
        self._moderations = Moderations(gateway, config)
        self._resumption = Resumption(config) if config.resume_s else None

    def routes(self) -> Sequence[Route]:
        """The paths of the dialect."""
        return (
            *(self._resumption.routes() if self._resumption is not None else ()),
            Route("GET", "/v1/models", self.models, scope="models:read", operation=operations.LIST_MODELS),
            Route("GET", "/v1/models/{id:.+}", self.model, scope="models:read", operation=operations.SHOW_MODEL),
            Route("POST", "/v1/chat/completions", self.chat, scope="generate", operation=operations.CHAT),
            Route("POST", "/v1/completions", self.completion, scope="generate", operation=operations.COMPLETE),
            Route("POST", "/v1/embeddings", self.embeddings, scope="embed", operation=operations.EMBED),
            *self._moderations.routes(),
            *self._chats.routes(),
            *self._responses.routes(),
            *self._batches.routes(),
        )

    async def run(self) -> None:
        """Work on batches; what runs in the background besides ends with it."""
        try:
            await self._queue.run()
        finally:
            await self._responses.close()

    def render_error(self, error: JackfieldError, request_id: str) -> ErrorPayload:  # noqa: ARG002 - the port's
        """``{"error": {message, type, param, code}}``."""
        return error_payload(error)

    async def models(self, _request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /v1/models``: every model that the caller may use, under its own name."""
        return json_answer(msgspec.json.encode(model_list(self._gateway.models(context))))

    async def model(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /v1/models/{id}``: one model, by its name or an alias."""
        name = request.match_info["id"]
        for card in self._gateway.models(context):
            if name == card.name or name in card.aliases:
                return json_answer(msgspec.json.encode(model_object(card)))
        raise ModelNotFound(f"the model {shown(name)} does not exist", param="model")

    async def chat(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /v1/chat/completions``."""
        call = decode_chat(await read_body(request), self._config.unknown_fields)
        return await self._serve(request, context, call, ChatAnswer)

    async def completion(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /v1/completions``."""
        call = decode_completion(await read_body(request), self._config.unknown_fields)
        return await self._serve(request, context, call, CompletionAnswer)

    async def embeddings(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /v1/embeddings``."""
        call = decode_embedding(await read_body(request), self._config.unknown_fields)
        context.user = user_mark(call.user)
        pooled = await self._gateway.pool(context, call.request)
        slices = embedding_slices(pooled, context.model or call.request.model, base64=call.base64)
        return await sliced_answer(request, slices, {**ignored_header(call.ignored), **work_headers(context)})

    async def _serve(
        self, request: web.Request, context: RequestContext, call: Call, kind: type[Answer]
    ) -> web.StreamResponse:
        call, keep = keeping(self._gateway, self._config.unknown_fields, context, tiered(call, context.principal))
        check_documents(self._gateway, context, call)
        context.user = user_mark(call.user)
        context.whole = not call.stream
        headers = ignored_header(call.ignored)
        keepalive_s = self._config.keepalive_s if call.keepalive_s is None else call.keepalive_s
        if call.stream and self._resumption is not None:

            async def produce(sink: Sink, own: RequestContext) -> None:
                async with aclosing(outputs(self._gateway, own, call.requests)) as events:
                    await stream(sink, call, kind, completed(call, events, own), own, keep)

            served = await self._resumption.serve(request, context, headers, produce, keepalive_s)
            if served is not None:
                return served
        async with aclosing(outputs(self._gateway, context, call.requests)) as events:
            if not call.stream:
                body = await whole(call, kind, completed(call, events, context), context, keep)
                return json_answer(body, {**headers, **work_headers(context)})
            async with EventStream(request, headers, keepalive_s, partial(work_headers, context)) as sink:
                await stream(sink, call, kind, completed(call, events, context), context, keep)
                await sink.response.write_eof()
                return sink.response
