"""Which frontend serves which path, and which one's dialect an error takes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from aiohttp import web

from jackfield import capabilities
from jackfield.errors import JackfieldError, PluginError
from jackfield.gateway.foreign import NamedFrontend
from jackfield.ports.frontend import Frontend, Handler, Operation, Route
from jackfield.ports.identity import SCOPE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.ports.frontend import FrontendFactory, Gateway

_VARIABLE: Final = re.compile(r"\{[^{}]*\}")

_SEGMENTS_MAX: Final = 16
"""Path segments that count when the nearest frontend is looked for: the path's length is the client's choice."""


class Endpoint(NamedTuple):
    """One route, with its owner."""

    owner: str
    frontend: Frontend
    path: str
    handler: Handler
    scope: str
    operation: Operation | None

    @property
    def has_work(self) -> bool:
        """Whether it has a model work, which policies are asked about when it begins; about others at the edge."""
        return self.operation is not None and self.operation.task is not None


class Routes:
    """All frontends and their routes. Built once, before anything is served.

    Parameters:
        factories: By name, in manifest order, as ``Kernel.frontends`` gives them.
        gateway: What the frontends ask.

    Raises:
        PluginError: A factory failed, or two frontends claim one method and path; the message names them.
    """

    def __init__(self, factories: Mapping[str, FrontendFactory], gateway: Gateway) -> None:
        self._claimed: dict[tuple[str, str], Endpoint] = {}
        self._by_route: dict[web.AbstractRoute, Endpoint] = {}
        self._first: Frontend | None = None
        self.frontends: Final[list[NamedFrontend]] = []
        for name, factory in factories.items():
            frontend, routes = _made(name, factory, gateway)
            self._first = self._first or frontend
            self.frontends.append(frontend)
            for route in routes:
                self._claim(name, frontend, route)

    def install(self, application: web.Application) -> None:
        """Add every route to *application*; a path that is no pattern raises ``PluginError``."""
        for (method, _), endpoint in self._claimed.items():
            try:
                for verb in ("GET", "HEAD") if method == "GET" else (method,):
                    added = application.router.add_route(verb, endpoint.path, _unused, expect_handler=_expect)
                    self._by_route[added] = endpoint
            except ValueError as error:
                problem = f"{endpoint.path!r} is not a path pattern: {error}"
                raise PluginError(f"frontend {endpoint.owner}: {problem}") from error
        # aiohttp would answer an Expect to an unserved path itself, and so tell strangers which paths are served
        application.router.add_route("*", "/{path:.*}", _unserved, expect_handler=_expect)

    def endpoint(self, request: web.Request) -> Endpoint | None:
        """What serves *request*; None where nothing does."""
        return self._by_route.get(request.match_info.route)

    def nearest(self, path: str) -> Frontend | None:
        """The frontend whose paths are most like *path*, segment by segment; the first one listed among equals.

        A path that is served for another method is nearest to itself, so that errors do not tell which methods it has.
        """
        segments = path.split("/", _SEGMENTS_MAX)[1:_SEGMENTS_MAX]
        best, frontend = _STRANGE, self._first
        for endpoint in self._claimed.values():
            likeness = _likeness(segments, endpoint.path.split("/")[1:])
            if likeness > best:
                best, frontend = likeness, endpoint.frontend
        return frontend

    def table(self) -> Sequence[tuple[str, Endpoint]]:
        """Every route: its method and what serves it."""
        return [(method, endpoint) for (method, _), endpoint in self._claimed.items()]

    def asking(self) -> Sequence[capabilities.Endpoint]:
        """The routes that ask a model something, and how."""
        return [
            capabilities.Endpoint(
                f"{method} {endpoint.path}", asked.task, asked.honoured, asked.needs, asked.fields_need
            )
            for method, endpoint in self.table()
            if (asked := endpoint.operation) is not None and asked.task is not None
        ]

    def need(self, scope: str) -> bool:
        """Whether any route is for principals with *scope*."""
        return any(endpoint.scope == scope for endpoint in self._claimed.values())

    @property
    def empty(self) -> bool:
        """Whether no frontend serves anything."""
        return not self._claimed

    def _claim(self, name: str, frontend: Frontend, route: Route) -> None:
        claim = (route.method, _VARIABLE.sub("{}", route.path))
        other = self._claimed.get(claim)
        if other is not None:
            raise PluginError(
                f"frontends {other.owner} and {name} both serve {route.method} {route.path}; enable one of them"
            )
        self._claimed[claim] = Endpoint(name, frontend, route.path, route.handler, route.scope, route.operation)


def _made(name: str, factory: FrontendFactory, gateway: Gateway) -> tuple[NamedFrontend, Sequence[Route]]:
    try:
        frontend = factory(gateway)
        routes = list(frontend.routes())
    except JackfieldError:
        raise
    except Exception as error:
        raise PluginError(f"frontend {name} could not be made: {type(error).__name__}: {error}") from error
    for route in routes:
        if not isinstance(route, Route):
            raise PluginError(f"frontend {name}: routes() must give Route records, not {type(route).__name__}")
        if not SCOPE.match(route.scope):
            raise PluginError(f"frontend {name}: {route.method} {route.path}: {route.scope!r} is not a scope")
    return NamedFrontend(name, frontend), routes


class _Likeness(NamedTuple):
    """How a path is like a pattern; more is nearer."""

    segments: int
    """From the beginning on."""
    whole: bool
    """Whether neither has more."""
    literal: int
    """Segments that the pattern names."""


_STRANGE: Final = _Likeness(0, whole=False, literal=0)


def _likeness(sent: Sequence[str], pattern: Sequence[str]) -> _Likeness:
    count = literal = 0
    for ours, theirs in zip(sent, pattern, strict=False):
        if ours != theirs and not theirs.startswith("{"):
            break
        count += 1
        literal += ours == theirs
    return _Likeness(count, len(sent) == len(pattern) == count, literal)


async def _unserved(request: web.Request) -> web.StreamResponse:
    """404, or 405 with the methods that the path has."""
    allowed: set[str] = set()
    for resource in request.app.router.resources():
        _, methods = await resource.resolve(request)
        allowed |= methods - {"*"}
    if allowed:
        raise web.HTTPMethodNotAllowed(request.method, allowed)
    raise web.HTTPNotFound


async def _unused(request: web.Request) -> web.StreamResponse:
    raise AssertionError(f"the edge serves {request.match_info.route!r} itself")


async def _expect(_request: web.Request) -> None:
    """Nothing yet: ``Bodies`` invites a body whose sender may send it. aiohttp would do so before anybody is asked."""
