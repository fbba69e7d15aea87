"""HTTP connections of one port: how many there may be, and how long their clients may keep them waiting."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, cast

from jackfield.errors import JackfieldError, TooManyConnections

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from jackfield.gateway.addresses import Crowd
    from jackfield.gateway.protocol import EdgeProtocol

SWEEP_S: Final = 1.0
"""How often connections are looked at whose clients may be too slow. One look costs less than a microsecond, and a
timer for each of them would cost memory."""

REFUSED_MAX: Final = 64
"""Connections that are being told why they are refused; any further one is closed without a word."""

REFUSED_S: Final = 1.0
"""How long a refused client may take to read why: closing at once could destroy the answer (RFC 9112, section 9.6)."""


class Bounds(NamedTuple):
    """What the clients of one port may take."""

    connections: int
    """At a time, from everywhere."""
    per_address: int
    """At a time, from one address; proxies that are trusted may have any number."""
    requests: int
    """On one connection."""
    header_s: float
    """For a request's headers, in seconds: from the connection's start, later from the first byte."""
    idle_s: float
    """Between two requests."""
    write_s: float
    """For reading what was sent, while so much waits that no more is written."""


class Front(Protocol):
    """Speaks for what never becomes a request."""

    def bad_request(self, request: web.BaseRequest, status: int, /) -> web.Response:
        """Answer what is no HTTP; *status* is what aiohttp would give."""
        ...

    def crowded(self, error: JackfieldError, client: str, /) -> web.Response:
        """Answer a connection from the address *client* for which there is no room."""
        ...


class Door(asyncio.Protocol):
    """Sees every new connection first, and hands it to HTTP if there is room. Event loop thread.

    Parameters:
        bounds: What is room.
        front: Answers those that find none.
        crowd: Counts connections by address.
        protocol: Makes the HTTP side of a connection; told what to call with it at its end.
    """

    def __init__(
        self,
        bounds: Bounds,
        front: Front,
        crowd: Crowd,
        protocol: Callable[[Callable[[EdgeProtocol], None]], EdgeProtocol],
    ) -> None:
        self._bounds = bounds
        self._front = front
        self._crowd = crowd
        self._protocol = protocol
        self._inside: dict[EdgeProtocol, str | None] = {}
        self._refused: set[asyncio.Transport] = set()
        self._sweeping: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called for each connection; this object is the first protocol of all of them."""
        # uvloop's transports have a stream transport's methods, but not its class
        stream = cast("asyncio.Transport", transport)
        peer = peer_of(stream)
        counted = None if self._crowd.addresses.trusted(peer) or not peer else peer
        if len(self._inside) >= self._bounds.connections:
            self._refuse(stream, peer, TooManyConnections("this server has as many connections as it may have"))
        elif counted is not None and not self._crowd.enter(counted):
            self._refuse(stream, peer, TooManyConnections("this address has as many connections as it may have"))
        else:
            self._admit(stream, counted)

    def close(self) -> None:
        """Stop looking after connections."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        for transport in tuple(self._refused):
            transport.abort()

    def _admit(self, transport: asyncio.Transport, counted: str | None) -> None:
        connection = self._protocol(self._left)
        self._inside[connection] = counted
        transport.set_protocol(connection)
        connection.connection_made(transport)
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)

    def _left(self, connection: EdgeProtocol) -> None:
        counted = self._inside.pop(connection)
        if counted is not None:
            self._crowd.leave(counted)

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in [each for each in self._inside if each.overdue(now)]:
            connection.give_up()
        self._sweeping = loop.call_later(SWEEP_S, self._sweep) if self._inside else None

    def _refuse(self, transport: asyncio.Transport, peer: str, error: JackfieldError) -> None:
        if len(self._refused) >= REFUSED_MAX:
            transport.abort()
            return
        self._refused.add(transport)
        transport.set_protocol(_Refused(lambda: self._refused.discard(transport)))
        transport.write(serialised(self._front.crowded(error, peer)))
        if transport.can_write_eof():  # a protected one cannot
            transport.write_eof()
        asyncio.get_running_loop().call_later(REFUSED_S, transport.abort)


class _Refused(asyncio.Protocol):
    """A connection that is told why it is refused; what it says is dropped.

    Parameters:
        gone: Called at its end.
    """

    def __init__(self, gone: Callable[[], None]) -> None:
        self._gone = gone

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        self._gone()


def peer_of(transport: asyncio.BaseTransport) -> str:
    """Address of the other end; empty for a Unix socket."""
    name = transport.get_extra_info("peername")
    return str(name[0]) if isinstance(name, tuple) and name else ""


def serialised(response: web.Response) -> bytes:
    """A whole response, as the last one of its connection."""
    body = response.body
    content = body if isinstance(body, bytes) else b""
    headers = {**response.headers, "Content-Length": str(len(content)), "Connection": "close"}
    lines = [
        f"HTTP/1.1 {response.status} {_reason(response.status)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + content


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Overloaded"
