"""Routes and handlers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from jackfield.errors import DeadlineExceeded, JackfieldError, ModelNotFound, ModelNotReady, WorkerDied, http
from jackfield.frontends.exchange import json_answer
from jackfield.ports.frontend import ErrorPayload, Route
from jackfield.ports.identity import CONFIG_READ, MODELS_WRITE
from jackfield.questions import ListSequences, Sequences
from jackfield_admin import operations
from jackfield_admin.bodies import body, query
from jackfield_admin.configuration import ConfigurationRoutes
from jackfield_admin.documents import DocumentRoutes
from jackfield_admin.keys import KeyRoutes
from jackfield_admin.limits import LimitRoutes
from jackfield_admin.records import Caches, Models, NoBody, Plugins, Queue, Queues, Restart, Running
from jackfield_admin.trail import note, of_whole_server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

    from jackfield.context import RequestContext
    from jackfield.ports.frontend import Gateway, ModelCard


class AdminFrontend:
    """The server to whoever runs it.

    Parameters:
        gateway: Knows the models, and what an operator can do.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._parts = (ConfigurationRoutes(gateway), KeyRoutes(gateway), DocumentRoutes(gateway), LimitRoutes(gateway))

    def routes(self) -> Sequence[Route]:
        """The paths, all of scopes that ``admin`` contains."""
        return (
            Route("GET", "/admin/v1/plugins", self.plugins, CONFIG_READ, operations.PLUGINS),
            Route("GET", "/admin/v1/models", self.models, CONFIG_READ, operations.MODELS),
            Route("GET", "/admin/v1/workers", self.workers, CONFIG_READ, operations.WORKERS),
            Route("POST", "/admin/v1/workers/{model:.+}/restart", self.restart, MODELS_WRITE, operations.RESTART),
            Route("GET", "/admin/v1/queues", self.queues, CONFIG_READ, operations.QUEUES),
            Route("GET", "/admin/v1/sequences/{model:.+}", self.sequences, CONFIG_READ, operations.SEQUENCES),
            Route("GET", "/admin/v1/caches", self.caches, CONFIG_READ, operations.CACHES),
            Route("DELETE", "/admin/v1/caches", self.clear_caches, MODELS_WRITE, operations.CLEAR_CACHES),
            Route("POST", "/admin/v1/drain", self.drain, MODELS_WRITE, operations.DRAIN),
            *(route for part in self._parts for route in part.routes()),
        )

    def render_error(self, error: JackfieldError, request_id: str) -> ErrorPayload:  # noqa: ARG002 - the port's
        """``{"error": {message, type, code, param}}``."""
        spec = http(error)
        problem = operations.Problem(error.message, spec.type, spec.code, error.param)
        return ErrorPayload(status=spec.status, body=msgspec.json.encode(operations.ErrorBody(problem)))

    async def plugins(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /admin/v1/plugins``."""
        of_whole_server(context)
        query(request)
        return _json(Plugins(list(self._gateway.operator.plugins())))

    async def models(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /admin/v1/models``."""
        query(request)
        return _json(Models(list(self._gateway.models(context))))

    async def workers(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /admin/v1/workers``."""
        of_whole_server(context)
        query(request)
        return _json(await self._gateway.operator.state())

    async def restart(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /admin/v1/workers/{model}/restart``."""
        of_whole_server(context)
        query(request)
        model, wanted = request.match_info["model"], await body(request, Restart, optional=True)
        state = await self._gateway.operator.restart(model, now=wanted.now)
        note(context, "worker restarted", model=model, now=wanted.now)
        return _json(state)

    async def queues(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /admin/v1/queues``."""
        query(request)
        asked = (self._queue(context, card) for card in self._gateway.models(context) if card.ready)
        return _json(Queues([row for row in await asyncio.gather(*asked) if row is not None]))

    async def sequences(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /admin/v1/sequences/{model}``."""
        query(request)
        found = await self._sequences(context, request.match_info["model"])
        return _json(Running(found.slots, list(found.sequences)))

    async def caches(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /admin/v1/caches``."""
        of_whole_server(context)
        model = query(request, "model").get("model", "")
        return _json(Caches(list(await self._gateway.operator.caches(model, clear=False))))

    async def clear_caches(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``DELETE /admin/v1/caches``."""
        of_whole_server(context)
        model = query(request, "model").get("model", "")
        found = await self._gateway.operator.caches(model, clear=True)
        note(context, "caches cleared", model=model or "all")
        return _json(Caches(list(found)))

    async def drain(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /admin/v1/drain``."""
        of_whole_server(context)
        query(request)
        await body(request, NoBody, optional=True)
        note(context, "drain")
        return _json(await self._gateway.operator.drain())

    async def _queue(self, context: RequestContext, card: ModelCard) -> Queue | None:
        """None of a model that is asked for whole inputs: it takes turns and has no sequences; and of one that ends."""
        if card.info is None or "generate" not in card.info.tasks:
            return None
        try:
            found = await self._sequences(context, card.name)
        except (ModelNotReady, WorkerDied, DeadlineExceeded):
            return None
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
