"""Routes and handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.errors import JackfieldError, ModelNotFound, http
from jackfield.frontends.arrays import typed
from jackfield.frontends.exchange import json_answer, read_body
from jackfield.ports.frontend import ErrorPayload, Route
from jackfield.ports.identity import ADMIN
from jackfield.questions import ListSequences, Sequences
from jackfield_admin import operations
from jackfield_admin.keys import KeyRoutes
from jackfield_admin.records import (
    Caches,
    Configuration,
    ConfigurationChange,
    Models,
    Plugins,
    Queue,
    Queues,
    Restart,
    Running,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

    from jackfield.context import RequestContext
    from jackfield.ports.frontend import Gateway, ModelCard

_RESTART: Final = msgspec.json.Decoder(Restart)
_CHANGE: Final = msgspec.json.Decoder(ConfigurationChange)


class AdminFrontend:
    """The server to whoever runs it.

    Parameters:
        gateway: Knows the models, and what an operator can do.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._keys = KeyRoutes(gateway)

    def routes(self) -> Sequence[Route]:
        """The paths, all of scope ``admin``."""
        return (
            Route("GET", "/admin/v1/plugins", self.plugins, ADMIN, operations.PLUGINS),
            Route("GET", "/admin/v1/models", self.models, ADMIN, operations.MODELS),
            Route("GET", "/admin/v1/workers", self.workers, ADMIN, operations.WORKERS),
            Route("POST", "/admin/v1/workers/{model:.+}/restart", self.restart, ADMIN, operations.RESTART),
            Route("GET", "/admin/v1/queues", self.queues, ADMIN, operations.QUEUES),
            Route("GET", "/admin/v1/sequences/{model:.+}", self.sequences, ADMIN, operations.SEQUENCES),
            Route("GET", "/admin/v1/caches", self.caches, ADMIN, operations.CACHES),
            Route("DELETE", "/admin/v1/caches", self.clear_caches, ADMIN, operations.CLEAR_CACHES),
            Route("GET", "/admin/v1/config", self.config, ADMIN, operations.CONFIG),
            Route("PATCH", "/admin/v1/config", self.change_config, ADMIN, operations.CHANGE_CONFIG),
            Route("POST", "/admin/v1/config/reload", self.reload, ADMIN, operations.RELOAD),
            Route("POST", "/admin/v1/drain", self.drain, ADMIN, operations.DRAIN),
            *self._keys.routes(),
        )

    def render_error(self, error: JackfieldError, request_id: str) -> ErrorPayload:  # noqa: ARG002 - the port's
        """``{"error": {message, code, param}}``."""
        spec = http(error)
        problem = operations.Problem(error.message, spec.code, error.param)
        return ErrorPayload(status=spec.status, body=msgspec.json.encode(operations.ErrorBody(problem)))

    async def plugins(self, _request: web.Request, _context: RequestContext) -> web.StreamResponse:
        """``GET /admin/v1/plugins``."""
        return _json(Plugins(list(self._gateway.operator.plugins())))

    async def models(self, _request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /admin/v1/models``."""
        return _json(Models(list(self._gateway.models(context))))

    async def workers(self, _request: web.Request, _context: RequestContext) -> web.StreamResponse:
        """``GET /admin/v1/workers``."""
        return _json(await self._gateway.operator.state())

    async def restart(self, request: web.Request, _context: RequestContext) -> web.StreamResponse:
        """``POST /admin/v1/workers/{model}/restart``."""
        data = await read_body(request)
        wanted = typed(_RESTART, data) if data else Restart()
        return _json(await self._gateway.operator.restart(request.match_info["model"], now=wanted.now))

    async def queues(self, _request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /admin/v1/queues``."""
        rows = [await self._queue(context, card) for card in self._gateway.models(context) if card.ready]
        return _json(Queues([row for row in rows if row is not None]))

    async def sequences(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /admin/v1/sequences/{model}``."""
        found = await self._sequences(context, request.match_info["model"])
        return _json(Running(found.slots, list(found.sequences)))

    async def caches(self, request: web.Request, _context: RequestContext) -> web.StreamResponse:
        """``GET /admin/v1/caches``."""
        found = await self._gateway.operator.caches(request.query.get("model", ""), clear=False)
        return _json(Caches(list(found)))

    async def clear_caches(self, request: web.Request, _context: RequestContext) -> web.StreamResponse:
        """``DELETE /admin/v1/caches``."""
        found = await self._gateway.operator.caches(request.query.get("model", ""), clear=True)
        return _json(Caches(list(found)))

    async def config(self, _request: web.Request, _context: RequestContext) -> web.StreamResponse:
        """``GET /admin/v1/config``."""
        return _json(Configuration(dict(self._gateway.operator.settings())))

    async def change_config(self, request: web.Request, _context: RequestContext) -> web.StreamResponse:
        """``PATCH /admin/v1/config``."""
        change = typed(_CHANGE, await read_body(request))
        return _json(await self._gateway.operator.log_level(change.log_level))

    async def reload(self, _request: web.Request, _context: RequestContext) -> web.StreamResponse:
        """``POST /admin/v1/config/reload``."""
        return _json(await self._gateway.operator.reload())

    async def drain(self, _request: web.Request, _context: RequestContext) -> web.StreamResponse:
        """``POST /admin/v1/drain``."""
        return _json(await self._gateway.operator.drain())

    async def _queue(self, context: RequestContext, card: ModelCard) -> Queue | None:
        """None of a model that is asked for whole inputs: it takes turns and has no sequences."""
        if card.info is None or "generate" not in card.info.tasks:
            return None
        found = await self._sequences(context, card.name)
        running = sum(each.slot >= 0 for each in found.sequences)
        waiting = len(found.sequences) - running
        return Queue(model=card.name, slots=found.slots, running=running, waiting=waiting)

    async def _sequences(self, context: RequestContext, model: str) -> Sequences:
        reply = await self._gateway.ask(context, ListSequences(model=model))
        if not isinstance(reply, Sequences):
            raise ModelNotFound(f"the model {model} has no sequences", param="model")
        return reply


def _json(answer: object) -> web.Response:
    return json_answer(msgspec.json.encode(answer))
