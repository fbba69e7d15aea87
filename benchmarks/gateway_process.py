"""A real gateway process with one worker whose end is held here: what the gateway costs, apart from all else."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from jackfield.channel.local import MessageSocket
from jackfield.channel.messages import (
    Attach,
    BootGateway,
    Ready,
    ToChild,
    ToGateway,
    ToSupervisor,
    ToWorker,
    WorkerStatus,
    to_child,
    to_gateway,
    to_supervisor,
    to_worker,
)
from jackfield.chat import ChatFormat
from jackfield.manifest_layers import load_manifest
from jackfield.ports.backend import ModelInfo, RunnerLimits
from jackfield.testing.script import TOOL_TEMPLATE

if TYPE_CHECKING:
    from contextlib import ExitStack

SETTINGS: Final = (
    "kernel.queue=5000",
    "kernel.connections=5000",
    "kernel.connections_per_address=5000",
    "kernel.requests_per_connection=100000",
    "kernel.log_level=warning",
)
TIMEOUT_S: Final = 60.0
_INFO: Final = ModelInfo(
    architecture="bench",
    title="bench",
    description="bench",
    parameters=1,
    size_bytes=1,
    context_train=4096,
    vocabulary=2,
)
_LIMITS: Final = RunnerLimits(context=4096, max_sequences=256, kv_tokens=1 << 20, max_batch_tokens=512)


class Gateway:
    """The process; this one plays its supervisor and its worker.

    Parameters:
        resources: End it.
        core: The processor it may use; None leaves it all.
        settings: Of the manifest, as for ``--set``.
    """

    def __init__(self, resources: ExitStack, *, core: int | None = None, settings: tuple[str, ...] = SETTINGS) -> None:
        control, theirs = socket.socketpair()
        control.settimeout(TIMEOUT_S)
        self.control: MessageSocket[ToSupervisor, ToChild] = MessageSocket(control, to_supervisor(), to_child())
        public, health = (resources.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2))
        self.port: int = public.getsockname()[1]
        command = [sys.executable, "-P", "-m", "jackfield.gateway", "--control-fd", str(theirs.fileno())]
        # Linux shares processor time among sessions first (sched_autogroup): one of its own, as a server has
        self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()], start_new_session=True)
        if core is not None:
            os.sched_setaffinity(self.process.pid, {core})
        resources.callback(self.process.wait)
        resources.callback(self.process.kill)
        theirs.close()
        manifest = load_manifest(None, sets=settings, environ={})
        boot = BootGateway(generation=1, manifest=manifest.dump(), public_listeners=1, health_listeners=1, started=0)
        self.control.send(boot, [public.fileno(), health.fileno()])
        while not any(isinstance(message, Ready) for message in self.control.receive()):
            pass
        ours, theirs = socket.socketpair()
        ours.settimeout(TIMEOUT_S)
        (self.model,) = manifest.models
        chat = ChatFormat(TOOL_TEMPLATE)
        ready = WorkerStatus(model=self.model, state="ready", info=_INFO, limits=_LIMITS, chat=chat)
        with theirs:
            self.control.send(ready)
            self.control.send(Attach(model=self.model), [theirs.fileno()])
        self.worker: MessageSocket[ToWorker, ToGateway] = MessageSocket(ours, to_worker(), to_gateway())
