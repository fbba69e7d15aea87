"""One port: listening sockets that somebody else bound, and the HTTP server behind them."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Final

from aiohttp import web

from jackfield.errors import ManifestError
from jackfield.gateway.connections import Door
from jackfield.gateway.protocol import EdgeProtocol

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

    from jackfield.gateway.addresses import Crowd
    from jackfield.gateway.connections import Bounds, Front

BACKLOG: Final = 1024
"""Connections that may wait for being accepted; the kernel caps it at ``net.core.somaxconn``."""

HANDSHAKE_S: Final = 10.0
"""How long the beginning of a protected connection may take."""

SHUTDOWN_S: Final = 5.0
"""How long the other side of a protected connection may take to say that it has seen the end."""

_FLUSH_POLL_S: Final = 0.01
"""Transports tell nobody when their buffer is empty."""


class Listener:
    """Accepts HTTP connections. Event loop thread.

    Parameters:
        application: What serves them; frozen by ``start``.
        front: Answers what never becomes a request.
        bounds: What the clients may take.
        crowd: Counts connections by address.
        finish_s: How long ``close`` waits for handlers that run.
    """

    def __init__(
        self,
        application: web.Application,
        front: Front,
        bounds: Bounds,
        crowd: Crowd,
        *,
        finish_s: float,
    ) -> None:
        # handler_cancellation: a client that hangs up cancels its handler, streaming or not
        self._runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=finish_s, access_log=None)
        self._front = front
        self._bounds = bounds
        self._door = Door(bounds, front, crowd, self._protocol)
        self._bound: list[socket.socket] = []
        self._accepting: list[asyncio.Server] = []

    async def start(self, sockets: Sequence[socket.socket], context: ssl.SSLContext | None = None) -> None:
        """Listen on *sockets* (TCP or ``AF_UNIX``, bound) and accept.

        Parameters:
            sockets: Are closed by ``close``.
            context: Protects connections; None leaves them open to whoever is on the way.

        Raises:
            ManifestError: Somebody else listens at the same address since it was bound.
        """
        await self._runner.setup()
        for bound in sockets:
            try:
                bound.listen(BACKLOG)  # uvloop would not say that it failed
            except OSError as error:
                raise ManifestError(f"cannot listen at {_address(bound)}: {error.strerror}") from error
            self._bound.append(bound)
        self._accepting = await self._accept(context)

    async def renew(self, context: ssl.SSLContext) -> None:
        """Protect new connections with *context*; those that are there stay, and none is refused meanwhile."""
        accepting = await self._accept(context)
        before, self._accepting = self._accepting, accepting
        for each in before:
            each.close()

    async def _accept(self, context: ssl.SSLContext | None) -> list[asyncio.Server]:
        loop = asyncio.get_running_loop()
        return [
            await (loop.create_unix_server if bound.family == socket.AF_UNIX else loop.create_server)(
                lambda: self._door,
                sock=bound.dup(),  # its server closes it
                backlog=BACKLOG,
                ssl=context,
                ssl_handshake_timeout=HANDSHAKE_S if context is not None else None,
                ssl_shutdown_timeout=SHUTDOWN_S if context is not None else None,
            )
            for bound in self._bound
        ]

    async def flush(self) -> None:
        """Return when everything written has gone to the clients' sockets; cancelled by whoever has a deadline."""
        while self._unsent():  # noqa: ASYNC110 -- no event says so
            await asyncio.sleep(_FLUSH_POLL_S)

    async def close(self) -> None:
        """Stop accepting, give handlers their time, cancel the rest, close all connections."""
        for accepting in self._accepting:
            accepting.close()
        for bound in self._bound:
            bound.close()
        await self._runner.cleanup()
        self._door.close()

    def _protocol(self, left: Callable[[EdgeProtocol], None]) -> EdgeProtocol:
        server = self._runner.server
        if server is None:
            raise RuntimeError("aiohttp's runner has no server after its setup")
        return EdgeProtocol(server, self._bounds, self._front, left, asyncio.get_running_loop())

    def _unsent(self) -> int:
        server = self._runner.server
        transports = [connection.transport for connection in server.connections] if server else []
        return sum(transport.get_write_buffer_size() for transport in transports if transport is not None)


def _address(bound: socket.socket) -> str:
    name = bound.getsockname()
    return str(name) if bound.family == socket.AF_UNIX else f"{name[0]} port {name[1]}"
