"""The life of the gateway process: boot, serve, drain, end."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from jackfield.channel.local import PeerGone
from jackfield.channel.messages import (
    HEARTBEAT_INTERVAL_S,
    Attach,
    Configured,
    Drain,
    Heartbeat,
    LinkLost,
    Progress,
    Ready,
    Refused,
    Reload,
    SetLogLevel,
    Stop,
    Told,
    WorkerStatus,
)
from jackfield.child_process import EXIT_REFUSED, belong_to_supervisor
from jackfield.error_record import ErrorRecord
from jackfield.errors import ChannelError, JackfieldError, PluginError
from jackfield.gateway.control import BootHeartbeat, Control
from jackfield.logs import change_level, configure_logs, traceback_of
from jackfield.manifest import Manifest
from jackfield.open_files import raise_open_files_limit
from jackfield.plugin_calls import PluginCalls, Watch
from jackfield.plugins import Kernel, build_kernel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.channel.messages import BootGateway, ToChild
    from jackfield.gateway.server import GatewayServer


def run(control_fd: int) -> int:
    """The whole life of a gateway process; returns its exit code.

    Parameters:
        control_fd: Inherited end of the socketpair to the supervisor.
    """
    belong_to_supervisor()
    raise_open_files_limit()
    control = Control(socket.socket(fileno=control_fd))
    try:
        with BootHeartbeat(control):
            boot, public, health = control.boot()
            kernel, server = _build(boot, control)
    except PeerGone:
        return 0
    except JackfieldError as error:
        return _refuse(control, error)
    except Exception as error:  # noqa: BLE001 -- plugins' code; the supervisor restarts us, the log says where it broke
        return _broken(error)
    import uvloop  # only now: the supervisor already knows that we live

    try:
        return uvloop.run(_GatewayProcess(control, kernel, server).serve(public, health))
    except Exception as error:  # noqa: BLE001 -- a defect: as above
        return _broken(error)


def _build(boot: BootGateway, control: Control) -> tuple[Kernel, GatewayServer]:
    manifest = Manifest.restore(boot.manifest)
    configure_logs(manifest.kernel.log_level, manifest.kernel.log_format)
    structlog.get_logger("jackfield.gateway").debug("gateway starts", generation=boot.generation)
    control.send(Progress(fraction=0.1))
    from jackfield.gateway.server import GatewayServer  # aiohttp: a quarter of a second

    calls = PluginCalls()
    with Watch(calls, manifest.kernel.plugin_timeout_s, lambda error: os._exit(_refuse(control, error))):
        kernel = build_kernel(manifest, calls)
        control.send(Progress(fraction=0.5))
        kernel.startup("gateway")
        return kernel, GatewayServer(kernel, started=boot.started)


def _refuse(control: Control, error: JackfieldError) -> int:
    structlog.get_logger("jackfield.gateway").error("gateway refuses to start", reason=error.message)
    with suppress(PeerGone):
        control.send(Refused(error=ErrorRecord.of(error)))
    return EXIT_REFUSED


def _broken(error: Exception) -> int:
    structlog.get_logger("jackfield.gateway").critical("the gateway broke", traceback=traceback_of(error))
    return 1


class _GatewayProcess:
    """A gateway that serves. Event loop thread, which is the main thread."""

    def __init__(self, control: Control, kernel: Kernel, server: GatewayServer) -> None:
        self._control = control
        self._kernel = kernel
        self._server = server
        self._end = asyncio.Event()
        self._drained: asyncio.Task[None] | None = None
        self._log = structlog.get_logger("jackfield.gateway")

    async def serve(self, public: Sequence[socket.socket], health: Sequence[socket.socket]) -> int:
        try:
            await self._server.start(public, health)
        except JackfieldError as error:
            return _refuse(self._control, error)
        self._listen_to_supervisor()
        self._server.operator.connect(self._control.send)
        plugins = {each.name: each.distribution for each in self._kernel.instances}
        self._control.send(Ready(plugins=plugins, authenticators=self._server.authenticators))
        # what start-up made lives as long as the process: the collector need not walk it again and again
        gc.collect()
        gc.freeze()
        beating = asyncio.get_running_loop().create_task(self._beat())
        await self._end.wait()
        await self._server.close()
        beating.cancel()
        self._kernel.shutdown("gateway", self._report)
        return 0

    def _listen_to_supervisor(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._drain, self._kernel.manifest.kernel.drain_s)
        loop.add_reader(self._control.fileno(), self._read)
        loop.call_soon(self._read)

    def _read(self) -> None:
        try:
            for message in self._control.receive():
                self._obey(message)
        except (PeerGone, ChannelError) as error:
            self._orphaned(error)

    def _obey(self, message: ToChild) -> None:
        match message:
            case WorkerStatus():
                self._server.worker_changed(message)
            case Attach():
                self._server.attach(message.model, self._control.take())
            case SetLogLevel():
                change_level(message.level)
            case Configured():
                self._server.operator.configured(Manifest.restore(message.manifest))
            case Reload():
                self._server.reload()
            case Told():
                self._server.operator.told(message)
            case Drain():
                self._drain(message.timeout_s)
            case Stop():
                self._end.set()
            case _:
                raise ChannelError(f"{type(message).__name__} is no message for a running gateway")

    def _drain(self, timeout_s: float) -> None:
        if self._drained is None:
            self._drained = asyncio.get_running_loop().create_task(self._drain_and_end(timeout_s))

    async def _drain_and_end(self, timeout_s: float) -> None:
        self._log.info("draining", timeout_s=timeout_s)
        finished = await self._server.drain(timeout_s)
        self._log.info("drained", finished=finished)
        self._end.set()

    async def _beat(self) -> None:
        while True:
            try:
                self._control.send(Heartbeat())
                # a beat is as often as anybody should ask: what broke a connection may break the next one
                for model in self._server.lost():
                    self._control.send(LinkLost(model=model))
            except PeerGone as error:
                self._orphaned(error)
            await asyncio.sleep(HEARTBEAT_INTERVAL_S)

    def _orphaned(self, error: Exception) -> None:
        """Nobody would restart or end us, and nobody says where the workers are."""
        self._log.error("supervisor lost", reason=type(error).__name__)
        os._exit(0)

    def _report(self, error: PluginError) -> None:
        self._log.error("plugin failed to shut down", reason=error.message)
