"""A whole server in this process: a real gateway on real sockets, and a real worker per model on a thread.

What is missing is only what processes add: the supervisor, and that one may die without the other.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.channel.messages import WorkerStatus
from jackfield.gateway.health import Readiness
from jackfield.gateway.server import GatewayServer
from jackfield.lifecycle import WorkerState
from jackfield.manifest_layers import load_manifest
from jackfield.plugins import build_kernel
from jackfield.testing.target import Target
from jackfield.worker.host import WorkerHost

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from jackfield.manifest import Manifest
    from jackfield.testing.background import BackgroundLoop

FILE_NAME: Final = "plugins.toml"


class InProcessServer:
    """Gateway and workers of one manifest.

    Parameters:
        manifest: Text of a ``plugins.toml``; its addresses are not used.
        folder: Where the file is written; relative sources start there.
        loop: Runs the gateway and the client.
        tls: What the client trusts of it, where it has ``[kernel.tls]``.

    Made and closed by one thread. A scripted crash would end this process: such scenarios use ``ServeProcess``.
    """

    def __init__(self, manifest: str, folder: Path, loop: BackgroundLoop, tls: ssl.SSLContext | None = None) -> None:
        file = folder / FILE_NAME
        file.write_text(manifest)
        self._manifest = load_manifest(file, environ={})
        self._loop = loop
        self._tls = tls
        self._gateway = GatewayServer(build_kernel(self._manifest), started=int(time.time()))
        self._workers: list[tuple[WorkerHost, threading.Thread]] = []
        self.target: Final = self._listen()
        for model in self._manifest.models:
            self._start_worker(model)

    def close(self) -> None:
        """End the gateway, then the workers."""
        self.target.close()
        self._loop.run(self._gateway.close())
        for host, thread in self._workers:
            host.stop()
            thread.join()

    def _listen(self) -> Target:
        public, health = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
        self._loop.run(self._gateway.start([public], [health]))
        return Target.at(
            _url(public, "http" if self._manifest.kernel.tls is None else "https"),
            self._loop,
            model=next(iter(self._manifest.models)),
            health=_url(health),
            plugins=plugin_names(self._manifest),
            tls=self._tls,
        )

    def _start_worker(self, model: str) -> None:
        host = WorkerHost(build_kernel(self._manifest), model)
        host.load(lambda _fraction: None)
        ours, theirs = socket.socketpair()
        thread = threading.Thread(target=host.run, name=f"worker {model}")
        thread.start()
        self._workers.append((host, thread))
        host.attach(theirs)
        self._loop.run(self._connect(model, ours, host))
        self._loop.run(self._until_serving(model))

    async def _until_serving(self, model: str) -> None:
        while not await self._serves(model):  # noqa: ASYNC110 - only the gateway knows, and it tells on request
            await asyncio.sleep(0)

    async def _serves(self, model: str) -> bool:
        reply = await self.target.probe.request("GET", "/readyz")
        return msgspec.json.decode(reply.body, type=Readiness).models[model].ready

    async def _connect(self, model: str, connection: socket.socket, host: WorkerHost) -> None:
        self._gateway.attach(model, connection)
        self._gateway.worker_changed(
            WorkerStatus(
                model=model,
                state=WorkerState.READY,
                info=host.info,
                limits=host.limits,
                chat=host.chat,
                shapes=host.shapes,
            )
        )


def plugin_names(manifest: Manifest) -> frozenset[str]:
    """Names of the plugins that *manifest* turns on."""
    return frozenset(ref.name for ref in manifest.enabled)


def _url(listener: socket.socket, scheme: str = "http") -> str:
    host, port = listener.getsockname()[:2]
    return f"{scheme}://{host}:{port}"
