"""HTTP connections: aiohttp's, with errors in our shape and a bound on how long a silent client may hold one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from aiohttp import web

FIRST_REQUEST_S: Final = 30.0
"""How long a new connection may take to send its first request's headers; aiohttp has no such limit of its own."""

KEEPALIVE_S: Final = 75.0
"""Idle time after which a connection is closed: longer than the 60 s that load balancers commonly keep one."""

LINGER_S: Final = 2.0
"""How long the rest of a refused body is read and dropped, so that the client sees the answer and not a reset."""

BACKLOG: Final = 1024
"""Connections that may wait for being accepted; the kernel caps it at ``net.core.somaxconn``."""

_FLUSH_POLL_S: Final = 0.01
"""Transports tell nobody when their buffer is empty."""

BadRequest: TypeAlias = Callable[[web.BaseRequest, int], web.Response]
"""Answers what never became a request: a stub of it, and the status aiohttp would give."""


class EdgeProtocol(web.RequestHandler):
    """One HTTP connection.

    Parameters:
        server: aiohttp's bookkeeping of connections and requests.
        bad_request: Answers what is not HTTP.
        loop: The running loop.
    """

    __slots__ = ("_bad_request", "_first_request")

    def __init__(self, server: web.Server, bad_request: BadRequest, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(server, loop=loop, keepalive_timeout=KEEPALIVE_S, lingering_time=LINGER_S, access_log=None)  # type: ignore[arg-type]  # None is its documented "off"
        self._bad_request = bad_request
        self._first_request: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._first_request = asyncio.get_running_loop().call_later(FIRST_REQUEST_S, self._close_silent)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._first_request is not None:
            self._first_request.cancel()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,  # noqa: ARG002 -- aiohttp's signature; its texts quote the request
        message: str | None = None,  # noqa: ARG002 -- as above
    ) -> web.StreamResponse:
        """Called by aiohttp for what is not HTTP (400), and for defects outside of any handler (500)."""
        if request.writer.output_size > 0:
            raise ConnectionError("the response has begun; the connection can only be closed")
        response = self._bad_request(request, status)
        response.force_close()
        return response

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        request = self._current_request
        if request is None or not self._messages or request.content.is_eof():
            return
        # Only what is no HTTP can follow an unfinished body. aiohttp queues its refusal behind the request, which would
        # wait for the rest of the body until its time is up.
        request.content.set_exception(web.RequestPayloadError("the body's chunks are damaged"))

    def log_exception(self, *args: object, **kw: object) -> None:
        """Called by aiohttp for what ends a connection after its answer.

        A damaged body that is read to its end once more is no defect: its sender got 400, and may send it again and
        again.
        """
        if not isinstance(kw.get("exc_info"), web.RequestPayloadError):
            super().log_exception(*args, **kw)

    def _close_silent(self) -> None:
        if self._request_count == 0:
            self.force_close()


class Listener:
    """Accepts HTTP connections on sockets that somebody else opened. Event loop thread.

    Parameters:
        application: What serves them; frozen by ``start``.
        bad_request: Answers what is not HTTP.
        finish_s: How long ``close`` waits for handlers that run.
    """

    def __init__(self, application: web.Application, bad_request: BadRequest, finish_s: float) -> None:
        # handler_cancellation: a client that hangs up cancels its handler, streaming or not
        self._runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=finish_s, access_log=None)
        self._bad_request = bad_request
        self._accepting: list[asyncio.Server] = []

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Begin to accept on *sockets* (TCP or ``AF_UNIX``, already listening)."""
        await self._runner.setup()
        server = self._runner.server
        if server is None:
            raise RuntimeError("aiohttp's runner has no server after its setup")
        loop = asyncio.get_running_loop()

        def connection() -> EdgeProtocol:
            return EdgeProtocol(server, self._bad_request, loop)

        for listening in sockets:
            create = loop.create_unix_server if listening.family == socket.AF_UNIX else loop.create_server
            self._accepting.append(await create(connection, sock=listening, backlog=BACKLOG))

    async def flush(self) -> None:
        """Return when everything written has gone to the clients' sockets; cancelled by whoever has a deadline."""
        while self._unsent():  # noqa: ASYNC110 -- no event says so
            await asyncio.sleep(_FLUSH_POLL_S)

    async def close(self) -> None:
        """Stop accepting, give handlers their time, cancel the rest, close all connections."""
        for accepting in self._accepting:
            accepting.close()
        await self._runner.cleanup()

    def _unsent(self) -> int:
        server = self._runner.server
        transports = [connection.transport for connection in server.connections] if server else []
        return sum(transport.get_write_buffer_size() for transport in transports if transport is not None)
