"""Routes and handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from jackfield.errors import UnsupportedField
from jackfield.frontends.exchange import json_answer, read_body, sliced_answer
from jackfield.ports.frontend import Route
from jackfield.ports.identity import SLOTS
from jackfield_llamacpp import operations
from jackfield_llamacpp.decode import decode_completion, decode_infill
from jackfield_llamacpp.elsewhere import MOVED_PATHS, moved, set_adapters
from jackfield_llamacpp.errors import error_payload
from jackfield_llamacpp.generation import answered, prepared
from jackfield_llamacpp.pooled import Pools
from jackfield_llamacpp.reading import chosen_card
from jackfield_llamacpp.slots import Slots
from jackfield_llamacpp.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

    from jackfield.context import RequestContext
    from jackfield.errors import JackfieldError
    from jackfield.ports.frontend import ErrorPayload, Gateway
    from jackfield_llamacpp.config import LlamaCppConfig
    from jackfield_llamacpp.decode import Asked
    from jackfield_llamacpp.reading import Headers


class LlamaCppFrontend:
    """llama-server's dialect.

    Parameters:
        gateway: What serves the requests.
        config: ``[config.llamacpp]``.
    """

    def __init__(self, gateway: Gateway, config: LlamaCppConfig) -> None:
        self._gateway = gateway
        self._config = config
        self._vocabulary = Vocabulary(gateway, config.model, config.unknown_fields)
        self._slots = Slots(gateway, config.model, config.unknown_fields)
        self._pools = Pools(gateway, config.model, config.unknown_fields)

    def routes(self) -> Sequence[Route]:
        """The paths of the dialect."""
        return (
            *(Route("POST", path, self.completion, "generate", operations.COMPLETE) for path in _COMPLETION_PATHS),
            Route("POST", "/infill", self.infill, "generate", operations.INFILL),
            Route("POST", "/tokenize", self.tokenize, "generate", operations.TOKENIZE),
            Route("POST", "/detokenize", self.detokenize, "generate", operations.DETOKENIZE),
            Route("POST", "/apply-template", self.apply_template, "generate", operations.APPLY_TEMPLATE),
            *(Route("POST", path, self.count, "generate", operations.COUNT) for path in _COUNT_PATHS),
            *(Route("POST", path, self.rerank, "rerank", operations.RERANK) for path in _RERANK_PATHS),
            Route("POST", "/v2/rerank", self.cohere, "rerank", operations.COHERE_RERANK),
            *(Route("POST", path, self.embedding, "embed", operations.EMBED) for path in _EMBEDDING_PATHS),
            Route("GET", "/props", self.props, "models:read", operations.PROPS),
            Route("POST", "/props", self.change_props, "models:read", operations.CHANGE_PROPS),
            Route("GET", "/slots", self.slots, "models:read", operations.LIST_SLOTS),
            Route("POST", "/slots/{id_slot}", self.slot, SLOTS, operations.CHANGE_SLOT),
            *(Route("GET", path, self.health, "models:read", operations.HEALTH) for path in _HEALTH_PATHS),
            Route("GET", "/metrics", self.metrics, "models:read", operations.METRICS),
            Route("GET", "/lora-adapters", self.adapters, "models:read", operations.LIST_ADAPTERS),
            Route("POST", "/lora-adapters", self.set_adapters, "models:read", operations.SET_ADAPTERS),
            Route("GET", "/models", moved, "models:read", operations.MOVED),
            *(Route("POST", path, moved, "generate", operations.MOVED) for path in MOVED_PATHS),
        )

    def render_error(self, error: JackfieldError, request_id: str) -> ErrorPayload:  # noqa: ARG002 - the port's
        """``{"error": {code, message, type}}``."""
        return error_payload(error)

    async def completion(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /completion``."""
        asked = decode_completion(await read_body(request), self._config.unknown_fields)
        return await self._generate(request, context, asked)

    async def infill(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /infill``."""
        asked = decode_infill(await read_body(request), self._config.unknown_fields)
        return await self._generate(request, context, asked)

    async def tokenize(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /tokenize``."""
        return _json(*await self._vocabulary.tokenize(await read_body(request), context))

    async def detokenize(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /detokenize``."""
        return _json(*await self._vocabulary.detokenize(await read_body(request), context))

    async def apply_template(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /apply-template``."""
        return _json(*await self._vocabulary.apply_template(await read_body(request), context))

    async def count(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /v1/chat/completions/input_tokens``."""
        return _json(*await self._vocabulary.count(await read_body(request), context))

    async def rerank(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /rerank``."""
        return _json(*await self._pools.rerank(await read_body(request), context))

    async def cohere(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /v2/rerank``."""
        return _json(*await self._pools.cohere(await read_body(request), context))

    async def embedding(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /embedding``."""
        slices, headers = await self._pools.embedding(await read_body(request), context)
        return await sliced_answer(request, slices, headers)

    async def props(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /props``."""
        return _json(self._slots.props(request, context))

    async def change_props(self, _request: web.Request, _context: RequestContext) -> web.StreamResponse:
        """``POST /props``: there is nothing that could be changed."""
        raise UnsupportedField("this server does not support changing global properties")

    async def metrics(self, _request: web.Request, _context: RequestContext) -> web.StreamResponse:
        """``GET /metrics``: they are for operators, and on their port."""
        raise UnsupportedField("metrics are served at /metrics of the health port")

    async def adapters(self, _request: web.Request, _context: RequestContext) -> web.StreamResponse:
        """``GET /lora-adapters``."""
        return _json([])

    async def set_adapters(self, request: web.Request, _context: RequestContext) -> web.StreamResponse:
        """``POST /lora-adapters``."""
        return _json(set_adapters(await read_body(request)))

    async def slots(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /slots``."""
        return _json(await self._slots.listed(request, context))

    async def slot(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /slots/{id_slot}?action=``."""
        return _json(*await self._slots.act(request, await read_body(request), context))

    async def health(self, _request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /health``."""
        return _json(self._slots.health(context))

    async def _generate(self, request: web.Request, context: RequestContext, asked: Asked) -> web.StreamResponse:
        model, card = chosen_card(self._gateway, context, asked.body.model, self._config.model, "generate")
        recommended = card.info.sampling if card is not None and card.info is not None else {}
        call = await prepared(self._gateway, context, model, recommended, asked)
        return await answered(request, self._gateway, context, call, self._config.keepalive_s)


_COMPLETION_PATHS = ("/completion", "/completions")
_COUNT_PATHS = ("/chat/completions/input_tokens", "/v1/chat/completions/input_tokens")
_RERANK_PATHS = ("/rerank", "/reranking", "/v1/rerank", "/v1/reranking")
_EMBEDDING_PATHS = ("/embedding", "/embeddings")
_HEALTH_PATHS = ("/health", "/v1/health")


def _json(answer: object, headers: Headers | None = None) -> web.Response:
    return json_answer(msgspec.json.encode(answer), headers)
