"""The port of the API: its connections, and what protects them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from jackfield.gateway.certificates import Certificates
from jackfield.gateway.connections import Bounds
from jackfield.gateway.listener import Listener
from jackfield.gateway.origin import is_local
from jackfield.open_files import open_files_limit

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Coroutine, Sequence
    from pathlib import Path

    from jackfield.gateway.addresses import Crowd
    from jackfield.gateway.edge import Edge
    from jackfield.manifest import KernelConfig

FINISH_S: Final = 1.0
"""How long ``close`` lets handlers write the error event that ends their stream."""

DESCRIPTORS_KEPT: Final = 512
"""File descriptors that are not for connections to the API: those of the health port, of workers and listeners, of
connections that are being refused, and whatever plugins open."""


class PublicPort:
    """Event loop thread, ``__init__`` apart.

    Parameters:
        edge: Serves requests.
        config: ``[kernel]``.
        crowd: Counts connections by address.
        path: Makes a path of the manifest absolute.

    Raises:
        ManifestError: The certificate cannot be used.
    """

    def __init__(self, edge: Edge, config: KernelConfig, crowd: Crowd, path: Callable[[str], Path]) -> None:
        self._certificates = Certificates(config.tls, path) if config.tls is not None else None
        self._proxied = bool(config.trusted_proxies)
        self._listener = Listener(edge.application(), edge, _bounds(config), crowd, finish_s=FINISH_S)
        self._tasks: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger("jackfield.gateway")

    @property
    def troubles(self) -> Sequence[str]:
        """What is wrong with the certificate."""
        return self._certificates.troubles if self._certificates is not None else ()

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Listen on *sockets*; raises as ``Listener.start``."""
        certificates = self._certificates
        await self._listener.start(sockets, certificates.context if certificates is not None else None)
        if certificates is not None:
            self._begin(certificates.watch(self._renew))
        elif not self._proxied and not all(map(is_local, sockets)):
            self._log.warning(
                "the API is reachable from other machines without TLS: whoever is on the way can read keys and answers;"
                " set kernel.tls, or let a proxy end TLS and name it in kernel.trusted_proxies"
            )

    def reload(self) -> None:
        """Read the certificate again, also where it looks as before; one that cannot be used changes nothing."""
        if self._certificates is not None:
            self._begin(self._reloaded(self._certificates))

    async def _reloaded(self, certificates: Certificates) -> None:
        context = await asyncio.to_thread(certificates.look, again=True)
        if context is not None:
            await self._listener.renew(context)

    async def flush(self) -> None:
        """As ``Listener.flush``."""
        await self._listener.flush()

    async def close(self) -> None:
        """Close all connections."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._listener.close()

    def _renew(self, context: ssl.SSLContext) -> None:
        self._begin(self._listener.renew(context))

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _bounds(config: KernelConfig) -> Bounds:
    """What *config* allows, as far as this process may have open files; aiohttp could not even refuse without one."""
    room = max(1, open_files_limit() - DESCRIPTORS_KEPT)
    if room < config.connections:
        structlog.get_logger("jackfield.gateway").warning(
            "the limit of open files allows fewer connections than kernel.connections",
            connections=room,
            configured=config.connections,
        )
    return Bounds(
        connections=min(config.connections, room),
        per_address=config.connections_per_address,
        requests=config.requests_per_connection,
        header_s=config.header_timeout_s,
        idle_s=config.idle_timeout_s,
        write_s=config.write_timeout_s,
    )
