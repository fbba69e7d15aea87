"""The outermost stage of every API request: identity of the call, protections, accounting, errors."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from aiohttp import web

from jackfield.context import RequestContext
from jackfield.errors import (
    BodyTooLarge,
    Draining,
    InternalError,
    JackfieldError,
    TooManyConnections,
    http,
)
from jackfield.gateway.accounting import CLIENT_LEFT, Accounting
from jackfield.gateway.bodies import Bodies, draining, uninvited
from jackfield.gateway.client_certificates import certificate_of
from jackfield.gateway.cors import is_preflight, open_to_page, preflight
from jackfield.gateway.deadlines import deadline
from jackfield.gateway.faults import unexpected
from jackfield.gateway.protection import Protection
from jackfield.gateway.protocol import EdgeProtocol
from jackfield.gateway.rendering import bad_http, render, translate, unreadable_body
from jackfield.gateway.request_ids import request_id

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

    from jackfield.gateway.addresses import Crowd
    from jackfield.gateway.identity import Identity
    from jackfield.gateway.observing import Observers
    from jackfield.gateway.origin import OriginGuard
    from jackfield.gateway.pipeline import Pipeline
    from jackfield.gateway.routing import Endpoint, Routes
    from jackfield.manifest import KernelConfig
    from jackfield.ports.identity import Credential

CONTEXT: Final = web.RequestKey("context", RequestContext)
RESPONSE: Final = web.RequestKey("response", web.StreamResponse)
"""Set when the response's headers go out."""

NO_ROUTE: Final = "none"
"""Route label of requests that no frontend serves: paths as sent would be unbounded labels."""

NO_METHOD: Final = "none"
"""Method, in the log, of connections that were refused before they could ask."""


class Edge:
    """aiohttp's middleware and signal around all frontends. Event loop thread.

    Parameters:
        routes: Who serves what.
        pipeline: Its open requests end with the HTTP request they belong to.
        observers: Told of every request's end.
        identity: Finds out who calls.
        guard: Checks host and origin.
        crowd: Counts requests by address, of those that come through a proxy.
        config: Bounds of bodies, the default deadline, the status of overload.
    """

    def __init__(
        self,
        routes: Routes,
        pipeline: Pipeline,
        observers: Observers,
        identity: Identity,
        guard: OriginGuard,
        crowd: Crowd,
        config: KernelConfig,
    ) -> None:
        self._routes = routes
        self._pipeline = pipeline
        self._accounting = Accounting(observers)
        self._identity = identity
        self._guard = guard
        self._crowd = crowd
        self._body_limit = config.body_limit_bytes
        self._timeout_s = config.request_timeout_s
        self._overload_status = config.overload_status
        self._bodies = Bodies(config.body_limit_bytes, config.body_budget_bytes)
        self._protection = Protection(config.tls)
        self._active = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def application(self) -> web.Application:
        """The API as an aiohttp application with all routes in it."""
        application = web.Application(middlewares=[self._serve], client_max_size=self._body_limit)
        application.on_response_prepare.append(self._prepare)
        self._routes.install(application)
        return application

    def bad_request(self, request: web.BaseRequest, status: int) -> web.Response:
        """Answer what never became a request."""
        context = RequestContext(request_id(None), NO_ROUTE, request.remote or "")
        error = (
            bad_http()
            if status < HTTPStatus.INTERNAL_SERVER_ERROR
            else InternalError("an internal error happened before the request was read")
        )
        return self._turn_away(context, error, request.method)

    def crowded(self, error: JackfieldError, client: str) -> web.Response:
        """Answer a connection for which there is no room."""
        return self._turn_away(RequestContext(request_id(None), NO_ROUTE, client), error, NO_METHOD)

    def hurry(self) -> None:
        """A drain has begun: bodies that are still arriving get a little time only, then 503."""
        self._bodies.hurry()

    async def idle(self) -> None:
        """Return when no request is being served."""
        await self._idle.wait()

    @web.middleware
    async def _serve(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        endpoint = self._routes.endpoint(request)
        offered = request.headers.get("x-request-id")
        peer = request.remote or ""
        client = self._crowd.addresses.client(peer, request.headers)
        context = RequestContext(request_id(offered), endpoint.path if endpoint else NO_ROUTE, client)
        context.method, context.scope = request.method, endpoint.scope if endpoint else ""
        request[CONTEXT] = context
        status = CLIENT_LEFT
        # others are counted by their connections
        proxied = client != peer and self._crowd.enter(client)
        self._enter()
        try:
            if client != peer and not proxied:
                return self._refuse(request, context, endpoint, _too_many())
            response = await self._answer(request, context, endpoint, handler)
            status = response.status
            return response
        finally:
            self._leave()
            if proxied:
                self._crowd.leave(client)
            self._bodies.served(context)
            self._pipeline.release(context)
            self._accounting.ended(context, request.method, status)

    async def _answer(
        self, request: web.Request, context: RequestContext, endpoint: Endpoint | None, handler: Handler
    ) -> web.StreamResponse:
        try:
            return await self._dispatch(request, context, endpoint, handler)
        except web.HTTPException as error:
            if error.status < HTTPStatus.BAD_REQUEST:
                return web.Response(status=error.status, headers=error.headers)
            response = self._refuse(request, context, endpoint, translate(error, request.method, request.path))
            if "Allow" in error.headers:
                response.headers["Allow"] = error.headers["Allow"]
            return response
        except Exception as error:
            if not isinstance(error, JackfieldError) and _gone(request):
                raise
            return self._refuse(request, context, endpoint, _fault(error, context))

    async def _dispatch(
        self, request: web.Request, context: RequestContext, endpoint: Endpoint | None, handler: Handler
    ) -> web.StreamResponse:
        self._check(request)
        # no credential comes with a preflight, and its answer is the same for every path
        if is_preflight(request) and self._guard.may_read(request.headers):
            return preflight(request)
        # who calls is found out before a stranger's body is even read
        scope = endpoint.scope if endpoint else None
        await self._identity.admit(request.headers, context, scope, lambda: self._shown(request))
        context.deadline = deadline(request.headers, context.arrived, self._timeout_s)
        await self._bodies.receive(request, context)
        if endpoint is None:
            return await handler(request)
        if endpoint.has_work:
            return await self._handled(request, context, endpoint)
        await self._pipeline.walk.permit_route(context)
        async with self._pipeline.questions.of(context):
            return await self._handled(request, context, endpoint)

    async def _handled(self, request: web.Request, context: RequestContext, endpoint: Endpoint) -> web.StreamResponse:
        chronicle = self._pipeline.walk.chronicle
        if chronicle.records(endpoint, request.method):
            return await chronicle.change(request, context, endpoint)
        return await endpoint.handler(request, context)

    def _shown(self, request: web.Request) -> Credential | None:
        """The client's certificate; browsers add it by themselves, so it does not speak for foreign pages."""
        return certificate_of(request.transport) if self._guard.may_act(request.headers) else None

    def _check(self, request: web.Request) -> None:
        """Refuse what its headers alone, or the server's state, rule out."""
        self._guard.check(request.headers)
        if self._pipeline.draining:
            raise draining()
        if self._pipeline.watch is not None:
            self._pipeline.watch.require()

    def _turn_away(self, context: RequestContext, error: JackfieldError, method: str) -> web.Response:
        """Refuse what never became a request."""
        context.code = http(error).code
        frontend = self._routes.nearest("")
        response = render(error, frontend, context.request_id, overload_status=self._overload_status)
        self._protection.add(response.headers)
        self._accounting.ended(context, method, response.status)
        return response

    def _refuse(
        self, request: web.Request, context: RequestContext, endpoint: Endpoint | None, fault: JackfieldError
    ) -> web.StreamResponse:
        context.code = http(fault).code
        if RESPONSE in request:
            # the frontend let go of a stream it had begun: only a broken connection still says that it is incomplete
            if request.transport is not None:
                request.transport.abort()
            return request[RESPONSE]
        frontend = endpoint.frontend if endpoint else self._routes.nearest(request.path)
        response = render(fault, frontend, context.request_id, overload_status=self._overload_status)
        if isinstance(fault, Draining | BodyTooLarge) or uninvited(request):
            response.force_close()  # else what follows would have to be a body that nobody wants
        return response

    async def _prepare(self, request: web.Request, response: web.StreamResponse) -> None:
        context = request.get(CONTEXT)
        headers = response.headers
        headers["x-request-id"] = context.request_id if context is not None else request_id(None)
        if context is not None and context.decision_id:
            headers["x-jackfield-decision"] = context.decision_id
        self._protection.add(headers)
        open_to_page(request, headers, may_read=self._guard.may_read(request.headers))
        if isinstance(request.protocol, EdgeProtocol):
            request.protocol.end_with(response)
        request[RESPONSE] = response

    def _enter(self) -> None:
        self._active += 1
        self._idle.clear()

    def _leave(self) -> None:
        self._active -= 1
        if not self._active:
            self._idle.set()


def _too_many() -> TooManyConnections:
    return TooManyConnections("this address has as many requests as it may have at a time; try again later")


def _fault(error: Exception, context: RequestContext) -> JackfieldError:
    if isinstance(error, JackfieldError):
        return error
    if isinstance(error, web.RequestPayloadError):
        return unreadable_body()
    return unexpected(error, context)


def _gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()
