"""A worker's life: boot, load, serve, end. The conversation with the supervisor has a thread of its own."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import threading
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

import structlog

from jackfield.channel import messages
from jackfield.channel.local import MessageSocket, PeerGone
from jackfield.channel.messages import (
    HEARTBEAT_INTERVAL_S,
    AskCache,
    Attach,
    BootWorker,
    CacheAnswered,
    Heartbeat,
    Progress,
    Ready,
    Reconfigure,
    Refused,
    SetLogLevel,
    Stop,
    ToChild,
    ToSupervisor,
)
from jackfield.child_process import EXIT_REFUSED, belong_to_supervisor
from jackfield.error_record import ErrorRecord
from jackfield.errors import ChannelError, JackfieldError, PluginError
from jackfield.logs import change_level, configure_logs, traceback_of
from jackfield.manifest import Manifest
from jackfield.plugin_calls import PluginCalls, Watch
from jackfield.plugins import build_kernel
from jackfield.worker.host import WorkerHost
from jackfield.worker.reconfiguration import Reconfiguration

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.cache_report import CacheAnswer
    from jackfield.plugins import Kernel

log = structlog.get_logger("jackfield.worker")

_PROGRESS_STEP: Final = 0.01


def run(control_fd: int) -> int:
    """Run a worker until it is told to stop.

    Parameters:
        control_fd: Inherited end of the supervisor's control conversation.

    Returns:
        Exit code: 0 after ``Stop``, ``EXIT_REFUSED`` if it cannot work as configured.
    """
    belong_to_supervisor()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a service manager's may reach every process; the supervisor decides
    control = MessageSocket(socket.socket(fileno=control_fd), messages.to_child(), messages.to_supervisor())
    try:
        boot, early = _await_boot(control)
    except PeerGone:
        return 0
    manifest = Manifest.restore(boot.manifest)
    configure_logs(manifest.kernel.log_level, manifest.kernel.log_format)
    conversation = Conversation(control, early)
    conversation.start()
    calls = PluginCalls()

    def refuse(error: JackfieldError) -> int:
        conversation.send(Refused(error=ErrorRecord.of(error)))
        return EXIT_REFUSED

    try:
        with Watch(calls, manifest.kernel.plugin_timeout_s, lambda error: os._exit(refuse(error))):
            kernel = build_kernel(manifest, calls)
            kernel.startup("worker")
            host = WorkerHost(kernel, boot.model)
            host.load(conversation.report_progress)
    except JackfieldError as error:
        return refuse(error)
    except Exception as error:  # noqa: BLE001 - plugins' code; the supervisor restarts us, the log says where it broke
        log.critical("the worker could not start", traceback=traceback_of(error))
        return 1
    return _serve(kernel, host, conversation, boot.model)


def _await_boot(control: MessageSocket[ToChild, ToSupervisor]) -> tuple[BootWorker, list[ToChild]]:
    """The first message, and what came along with it: a ``Stop`` may follow at once."""
    control.send(Heartbeat())
    received: list[ToChild] = []
    while not received:
        received = control.receive()
    boot, *early = received
    if not isinstance(boot, BootWorker):
        raise ChannelError(f"a worker's first message must be its boot, not {type(boot).__name__}")
    return boot, early


def _serve(kernel: Kernel, host: WorkerHost, conversation: Conversation, model: str) -> int:
    conversation.serve(host)
    Reconfiguration(host, model, conversation.send).start(conversation.offers)
    plugins = {instance.name: instance.distribution for instance in kernel.instances}
    conversation.send(Ready(plugins=plugins, info=host.info, limits=host.limits, chat=host.chat, shapes=host.shapes))
    log.debug("model ready", model=model, description=host.info.description)
    try:
        host.run()
    except PluginError as error:
        log.critical("the worker cannot go on", error=error.message)
        return 1
    except Exception as error:  # noqa: BLE001 - a defect: this worker ends, its gateways tell their clients
        log.critical("the engine loop broke", traceback=traceback_of(error))
        return 1
    finally:
        kernel.shutdown("worker", lambda error: log.error("shutdown hook failed", error=error.message))
    return 0


class Conversation:
    """The control conversation after boot: heartbeats out, connections and the end in.

    Parameters:
        control: Connected control socket.
        early: Messages that came together with the boot.

    Its thread ends the process at once when the supervisor is gone: nobody could ever reach this worker again.
    """

    def __init__(self, control: MessageSocket[ToChild, ToSupervisor], early: list[ToChild]) -> None:
        self._control = control
        self._early = early
        self._sending = threading.Lock()
        self._host: WorkerHost | None = None
        self._fraction = -1.0
        self.offers: Final[SimpleQueue[Reconfigure]] = SimpleQueue()
        """Manifests that were read again; they wait until the worker serves."""
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)

    def start(self) -> None:
        """Start the thread; heartbeats begin."""
        self._thread.start()

    def serve(self, host: WorkerHost) -> None:
        """Pass connections and ``Stop`` to *host* from here on. Main thread."""
        self._host = host

    def send(self, message: ToSupervisor) -> None:
        """Send *message*; any thread."""
        try:
            with self._sending:
                self._control.send(message)
        except PeerGone:
            os._exit(0)

    def report_progress(self, fraction: float) -> None:
        """Tell the supervisor how much is loaded, in steps of one percent."""
        if fraction - self._fraction >= _PROGRESS_STEP:
            self._fraction = fraction
            self.send(Progress(fraction=min(1.0, fraction)))

    def _run(self) -> None:
        selector = selectors.DefaultSelector()
        selector.register(self._control, selectors.EVENT_READ)
        beat = time.monotonic()
        for message in self._early:
            self._handle(message)
        while True:
            if selector.select(max(0.0, beat - time.monotonic())):
                self._receive()
            if time.monotonic() >= beat:
                beat = time.monotonic() + HEARTBEAT_INTERVAL_S
                self.send(self._heartbeat())

    def _heartbeat(self) -> Heartbeat:
        host = self._host
        return Heartbeat() if host is None else Heartbeat(busy_s=host.busy_s(), requests=host.in_flight())

    def _receive(self) -> None:
        try:
            for message in self._control.receive():
                self._handle(message)
        except (PeerGone, ChannelError):
            os._exit(0)

    def _handle(self, message: ToChild) -> None:
        host = self._host
        if isinstance(message, Stop):
            if host is None:  # still loading: nothing to finish
                os._exit(0)
            host.stop()
        elif isinstance(message, SetLogLevel):
            change_level(message.level)
        elif isinstance(message, Attach) and host is not None:
            host.attach(self._control.take())
        elif isinstance(message, AskCache) and host is not None:
            host.ask_cache(self._answer_to(message.ticket), clear=message.clear)
        elif isinstance(message, Reconfigure):
            self.offers.put(message)

    def _answer_to(self, ticket: int) -> Callable[[CacheAnswer], None]:
        def answer(answer: CacheAnswer) -> None:
            # a thread of its own: the engine loop, which calls this, never waits for a supervisor that does not read
            message = CacheAnswered(ticket=ticket, answer=answer)
            threading.Thread(target=self.send, args=(message,), name="cache-answer", daemon=True).start()

        return answer
