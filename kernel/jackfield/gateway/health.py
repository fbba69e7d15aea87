"""The health port: ``/livez``, ``/readyz`` and ``/metrics``, apart from the API: a probe never counts as traffic.

``/livez`` is 200 while the event loop runs. ``/readyz`` is 200 only while *every* configured model is ready, the server
is not draining, and its policies are not too old, else 503; its JSON says which model stands where and why, and what
plugins say is wrong. ``/readyz?model=NAME`` asks about one model (or alias) alone, for those who route by model. Bound
beyond loopback all are bare, and ``/metrics`` is there only with ``kernel.health_metrics``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import structlog
from aiohttp import web

from jackfield.errors import ForeignOrigin
from jackfield.gateway.protocol import EdgeProtocol
from jackfield.gateway.replica import ModelHealth  # msgspec reads the annotation at run time
from jackfield.logs import traceback_of

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

    from jackfield.errors import JackfieldError
    from jackfield.gateway.conditions import Conditions
    from jackfield.gateway.origin import OriginGuard
    from jackfield.gateway.pipeline import Pipeline
    from jackfield.ports.observer import Exposition

PUBLIC_PATHS: Final = ("/livez", "/readyz", "/metrics")
"""What is served to callers that nobody identifies: all of it on the health port."""


class Readiness(msgspec.Struct, frozen=True):
    """Body of ``/readyz``."""

    ready: bool
    draining: bool
    models: dict[str, ModelHealth]
    troubles: dict[str, list[str]] = {}
    """What plugins say is wrong, by their names; empty while all is well."""


class Health:
    """Handlers of the health port. Event loop thread.

    Parameters:
        pipeline: Knows the models and whether it drains.
        exposition: The observer that renders ``/metrics``; None answers 404.
        guard: Against DNS rebinding, while the port is bound to loopback; None beyond it.
        bare: Give no detail: the port is bound beyond loopback.
        metrics: Whether ``/metrics`` may be served.
        conditions: What plugins say is wrong.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        exposition: Exposition | None,
        guard: OriginGuard | None,
        *,
        bare: bool,
        metrics: bool,
        conditions: Conditions,
    ) -> None:
        self._pipeline = pipeline
        self._exposition = exposition if metrics else None
        self._guard = guard
        self._bare = bare
        self._conditions = conditions

    def application(self) -> web.Application:
        """The health port as an aiohttp application."""
        application = web.Application(middlewares=[self._check])
        application.on_response_prepare.append(_complete)
        for path, handler in zip(PUBLIC_PATHS, (self._livez, self._readyz, self._metrics), strict=True):
            application.router.add_get(path, handler)
        return application

    def bad_request(self, _request: web.BaseRequest, status: int) -> web.Response:
        """Answer what never became a request."""
        return web.Response(status=status, text="bad request\n", headers=_HEADERS)

    def crowded(self, error: JackfieldError, _client: str) -> web.Response:
        """Answer a connection for which there is no room."""
        return web.Response(status=503, text=f"{error.message}\n", headers=_HEADERS)

    @web.middleware
    async def _check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self._guard is not None:
            try:
                self._guard.check(request.headers)
            except ForeignOrigin as error:
                return web.Response(status=403, text=f"{error.message}\n")
        return await handler(request)

    async def _livez(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        model = request.query.get("model")
        state = self._state(model)
        if not state.models and not self._bare:
            return web.Response(status=404, text="no such model\n")
        status = 200 if state.ready else 503
        if self._bare:
            return web.Response(status=status, text="ready\n" if state.ready else "not ready\n")
        return web.Response(status=status, body=msgspec.json.encode(state), content_type="application/json")

    async def _metrics(self, request: web.Request) -> web.Response:
        if self._exposition is None:
            raise web.HTTPNotFound(text="no metrics here\n")
        try:
            content_type, body = self._exposition.render(request.headers.get("Accept", ""))
        except Exception as error:  # noqa: BLE001 -- foreign code; a broken page must not look like a dead server
            structlog.get_logger("jackfield.gateway").error("metrics page failed", traceback=traceback_of(error))
            return web.Response(status=500, text="the metrics page failed; see the log\n")
        return web.Response(body=body, headers={"Content-Type": content_type})

    def _state(self, model: str | None) -> Readiness:
        models = {
            name: replica.health()
            for name, replica in self._pipeline.replicas.items()
            if model is None or model in (name, *replica.config.aliases)
        }
        draining = self._pipeline.draining
        ready = bool(models) and not draining and all(model.ready for model in models.values())
        troubles = {} if self._bare else {name: list(said) for name, said in self._conditions.troubles().items()}
        return Readiness(ready and not self._pipeline.stale, draining, models, troubles)


_HEADERS: Final = {"Server": "jackfield", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
"""Say who answers; aiohttp would say which version of what. A probe's answer is true only now."""


async def _complete(request: web.Request, response: web.StreamResponse) -> None:
    if isinstance(request.protocol, EdgeProtocol):
        request.protocol.end_with(response)
    response.headers.update(_HEADERS)
