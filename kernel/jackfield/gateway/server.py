"""``GatewayServer``: everything of the gateway process but the conversation with the supervisor."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from jackfield.errors import ManifestError
from jackfield.gateway.addresses import Addresses, Crowd
from jackfield.gateway.conditions import Conditions
from jackfield.gateway.connections import Bounds
from jackfield.gateway.dialects import Dialects
from jackfield.gateway.edge import Edge
from jackfield.gateway.health import Health
from jackfield.gateway.identity import Identity
from jackfield.gateway.listener import Listener
from jackfield.gateway.observing import Observers
from jackfield.gateway.openapi import openapi_document
from jackfield.gateway.operating import GatewayOperator
from jackfield.gateway.origin import OriginGuard, is_local, refuse_public_bind
from jackfield.gateway.pipeline import Pipeline
from jackfield.gateway.public_port import FINISH_S, PublicPort
from jackfield.gateway.records import NamedRecordStore
from jackfield.gateway.reloads import Reloads
from jackfield.gateway.routing import Routes
from jackfield.gateway.stages import Stages
from jackfield.ports.identity import ADMINISTRATION

if TYPE_CHECKING:
    import socket
    from collections.abc import Coroutine, Sequence

    from jackfield.channel.messages import WorkerStatus
    from jackfield.gateway.worker_link import WorkerLink
    from jackfield.plugins import Kernel

WORK_END_S: Final = 5.0
"""How long ``close`` waits for the background work of frontends."""

HEALTH_BOUNDS: Final = Bounds(connections=128, per_address=128, requests=1000, header_s=10.0, idle_s=75.0, write_s=10.0)
"""Probes are few and quick. They have connections of their own, which clients of the API cannot take from them."""


class GatewayServer:
    """HTTP in front, workers behind.

    Parameters:
        kernel: With its plugins; ``startup`` was called.
        started: Unix seconds at which the server started.

    Raises:
        PluginError: Authenticators, frontends or observers cannot be made, or frontends claim the same route.
        ManifestError: ``kernel.listen`` is public and nobody would check who calls; model names collide.

    Made and used on one thread, the event loop's; only ``__init__`` may run before the loop.

    Attributes:
        authenticators: Names of those who say who calls; empty where anybody on this machine may call.
        routes: What is served, by whom, and for which scope.
        operator: What an operator can ask; to be connected to the supervisor where there is one.
    """

    def __init__(self, kernel: Kernel, *, started: int) -> None:
        config = kernel.manifest.kernel
        self._config = config
        self._log = structlog.get_logger("jackfield.gateway")
        self._observers = Observers(kernel.observers())
        self._stages = Stages(kernel, self._observers)
        self._plugins = tuple(instance.name for instance in kernel.instances)
        self._identity = Identity(kernel.authenticators(), kernel.roles(), self._stages.auditing)
        self.authenticators: Final = self._identity.names
        refuse_public_bind(config.listen, authenticated=bool(self.authenticators))
        dialects = Dialects(kernel.dialects(), kernel.manifest.models)
        self._pipeline = Pipeline(kernel.manifest, self._observers, started, dialects, self._stages.walk)
        self._stages.asked.asks(self._pipeline)
        self.operator: Final = GatewayOperator(kernel)
        self._pipeline.operates(self.operator)
        self._pipeline.asks(self._identity)
        self._objects = (*self._identity.objects, *self._stages.objects)
        self._watch = self._pipeline.watch = self._stages.watch(kernel, self._objects)
        self._record_stores = kernel.record_stores()
        self.routes: Final = Routes(kernel.frontends(), self._pipeline)
        self._pipeline.endpoints = self.routes.asking()
        self._pipeline.openapi = openapi_document(
            self.routes.table(), authenticated=bool(self.authenticators), overload_status=config.overload_status
        )
        self._addresses = Addresses(config)
        crowd = Crowd(self._addresses, config.connections_per_address)
        self._edge = Edge(
            self.routes,
            self._pipeline,
            self._observers,
            self._identity,
            OriginGuard(config, authenticated=bool(self.authenticators)),
            crowd,
            config,
        )
        self._reloads = Reloads((*self._objects, *self._watch.objects))
        self._public = PublicPort(self._edge, config, crowd, kernel.path)
        self._health: Listener | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._working: list[asyncio.Task[None]] = []

    async def start(self, public: Sequence[socket.socket], health: Sequence[socket.socket]) -> None:
        """Listen on these sockets (TCP or ``AF_UNIX``, bound) and serve; they are closed by ``close``.

        Raises:
            ManifestError: A public socket is reachable from other machines and nobody would check who calls, or
                somebody else has begun to listen there.
        """
        if not self.authenticators and not all(map(is_local, public)):
            raise ManifestError("kernel.listen: the socket is reachable from other machines", param="kernel.listen")
        if self.routes.empty:
            self._log.warning("no frontend is enabled: only the health port answers")
        elif any(map(self.routes.need, ADMINISTRATION)) and not self.authenticators:
            self._log.warning("nobody can use the routes for administrators: no authenticator is enabled")
        await self._watch.start()
        self._stages.outside.begin(self._objects)
        for name, factory in self._record_stores.items():
            self._pipeline.records = NamedRecordStore(name, factory)
            break
        loop = asyncio.get_running_loop()
        self._working = [loop.create_task(frontend.run()) for frontend in self.routes.frontends]
        await self._public.start(public)
        local = all(map(is_local, health))
        page = Health(
            self._pipeline,
            self._observers.exposition,
            OriginGuard(self._config) if local else None,
            bare=not local,
            metrics=local or self._config.health_metrics,
            conditions=Conditions(
                (*self._objects, *self._watch.objects, *self._reloads.objects, ("kernel", self._public)),
                self._watch.troubles,
            ),
        )
        crowd = Crowd(self._addresses, HEALTH_BOUNDS.per_address)
        self._health = Listener(page.application(), page, HEALTH_BOUNDS, crowd, finish_s=FINISH_S)
        await self._health.start(health)
        self._stages.walk.chronicle.server("started", self._plugins)

    def reload(self) -> None:
        """SIGHUP came: read secrets and certificates again."""
        self._public.reload()
        self._begin(self._reloads.run())

    def attach(self, model: str, connection: socket.socket) -> None:
        """Take a new connection to *model*'s worker; it replaces the one before, whose requests fail.

        A model this gateway does not serve is logged, and the connection closed.
        """
        if model not in self._pipeline.replicas:
            self._log.error("connection for an unknown model", model=model)
            connection.close()
            return
        link = self._pipeline.connect(model)
        self._begin(self._connect(link, connection))

    def lost(self) -> list[str]:
        """The models whose worker is ready, by the supervisor's word, but to which the connection has broken."""
        return [name for name, replica in self._pipeline.replicas.items() if replica.lost]

    def worker_changed(self, status: WorkerStatus) -> None:
        """A worker entered a state, or made progress in it."""
        self._pipeline.worker_changed(status)

    async def drain(self, timeout_s: float) -> bool:
        """Refuse new requests with 503 (``/readyz`` too) and wait for those that run.

        Returns:
            Whether all of them ended, and reached their clients' sockets, within *timeout_s* seconds.
        """
        self._pipeline.draining = True
        self._edge.hurry()
        try:
            async with asyncio.timeout(timeout_s):
                await self._edge.idle()
                await self._public.flush()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """End now: running requests fail (a stream gets its error event), all sockets are closed."""
        self._pipeline.draining = True
        for task in self._working:
            task.cancel()
        if self._working:
            await asyncio.wait(self._working, timeout=WORK_END_S)
        self._pipeline.close()
        await self._public.close()
        if self._health is not None:
            await self._health.close()
        if self._pipeline.records is not None:
            await self._pipeline.records.close()
        self._stages.walk.chronicle.server("stopped")
        await self._identity.close()
        await self._watch.close()
        self._stages.outside.end()
        await self._stages.walk.close()

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, link: WorkerLink, connection: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: link, sock=connection)
        except OSError as error:
            self._log.error("cannot connect to worker", model=link.model, error=type(error).__name__)
            connection.close()
            link.close()
