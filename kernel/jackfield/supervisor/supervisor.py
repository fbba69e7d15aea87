"""The supervisor itself: one loop over control sockets, signals and deadlines."""

from __future__ import annotations

import selectors
import socket
import time
from collections import deque
from contextlib import suppress
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from jackfield.channel.messages import (
    Ask,
    Attach,
    BootGateway,
    BootWorker,
    CacheAnswered,
    Drain,
    LinkLost,
    Reconfigured,
    Stop,
    Told,
    WorkerStatus,
)
from jackfield.errors import JackfieldError
from jackfield.lifecycle import WorkerState
from jackfield.runtime_folder import UnsafeFolder
from jackfield.supervisor import listeners
from jackfield.supervisor.answers import Answers, End
from jackfield.supervisor.backoff import Backoff
from jackfield.supervisor.child import Child, ChildCommands
from jackfield.supervisor.children import Children
from jackfield.supervisor.control_socket import ControlSocket
from jackfield.supervisor.live_changes import LiveChanges
from jackfield.supervisor.live_manifest import LiveManifest
from jackfield.supervisor.report import Addresses
from jackfield.supervisor.signals import SignalReader, Wish
from jackfield.supervisor.slot import STOP_GRACE_S, Patience, Slot, worker_status

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.channel.messages import Ready, ToSupervisor
    from jackfield.manifest import Manifest
    from jackfield.supervisor.report import Report
    from jackfield.supervisor.slot import Process

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
"""The gateway cannot be kept running, or a second signal cut the shutdown short."""
EXIT_REFUSED: Final = 2
"""The gateway cannot work as configured."""

WORKER_BACKOFF_S: Final = 1.0
"""A worker's first restart delay: what killed it, such as memory pressure, gets a moment to pass."""

GATEWAY_BACKOFF_S: Final = 0.1
"""A gateway's first restart delay: connections wait in the listening sockets meanwhile, so it is short."""

GATEWAY_START_S: Final = 60.0
"""A gateway only imports plugins; one that is not ready by then hangs."""

FALSE_STARTS_MAX: Final = 3
"""A gateway that dies this often without ever having served will not come up by itself."""

TICK_S: Final = 1.0
"""Longest sleep of the loop; deadlines are ten times as long."""

HELD_UP_S: Final = 5.0
"""A loop that took this much longer than its sleep was stopped (a suspended machine, a debugger), not busy."""


UNTOLD_MAX: Final = 1000
"""States of workers that are kept for the report until a gateway serves; loading a model takes a hundred at most."""


class _Phase(Enum):
    SERVING = auto()
    DRAINING = auto()
    STOPPING = auto()


class Supervisor:
    """Keeps one gateway and one worker per model running until a signal ends it.

    Parameters:
        manifest: What to run.
        report: Told what happens.
        reread: Gives the manifest as it is now, when SIGHUP asks for it; may raise ``JackfieldError``.
        children: Commands of the child processes.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        manifest: Manifest,
        report: Report,
        *,
        reread: Callable[[], Manifest],
        children: ChildCommands = ChildCommands(),  # noqa: B008  immutable
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._manifest = manifest
        self._live = LiveManifest(manifest, reread)
        self._report = report
        self._commands = children
        self._clock = clock
        self._started = int(time.time())
        self._generation = 0
        self._served = False
        self._phase = _Phase.SERVING
        self._exit_code = EXIT_OK
        self._cut_short = False
        self._addresses = Addresses((), ())
        self._untold: deque[WorkerStatus] = deque(maxlen=UNTOLD_MAX)
        self._public: list[socket.socket] = []
        self._health: list[socket.socket] = []
        self._selector = selectors.DefaultSelector()
        self._children = Children(self._selector, self._heard)
        self._gateway = self._gateway_slot()
        self._workers = [self._worker_slot(model) for model in manifest.models]
        self._changes = LiveChanges(self._live, self._children.send, self._gateway, self._workers, report, clock)
        self._answers = self._answerer()
        self._control = ControlSocket(self._selector, self._answers.answer, clock)

    def run(self) -> int:
        """Serve until told to stop. Main thread; whatever happens, no child process survives it.

        Returns:
            The exit code of ``jackfield serve``.

        Raises:
            ManifestError: An address cannot be listened at; nothing was started.
        """
        with SignalReader() as signals, self._selector:
            try:
                self._listen()
                self._children.keep_logs(self._slots())
                self._selector.register(signals, selectors.EVENT_READ, lambda _events: self._signalled(signals))
                self._addresses = self._open_control()
                self._gateway.start()
                for worker in self._workers:
                    worker.start()
                while not self._done():
                    self._turn()
            finally:
                self._end_everything()
        return self._exit_code

    def _answerer(self) -> Answers:
        return Answers(
            self._manifest,
            started=self._started,
            gateway=self._gateway,
            workers=self._workers,
            logs=self._children.logs,
            changes=self._changes,
            end=End(self._end_by_operator, lambda: self._phase is not _Phase.SERVING),
        )

    def _gateway_slot(self) -> Slot:
        return Slot(
            "gateway",
            start=self._start_gateway,
            changed=self._gateway_changed,
            patience=Patience(GATEWAY_START_S, self._manifest.kernel.step_timeout_s),
            backoff=Backoff(GATEWAY_BACKOFF_S),
            clock=self._clock,
        )

    def _worker_slot(self, model: str) -> Slot:
        kernel = self._manifest.kernel
        return Slot(
            model,
            start=self._start_worker,
            changed=self._worker_changed,
            patience=Patience(kernel.load_timeout_s, kernel.step_timeout_s),
            backoff=Backoff(WORKER_BACKOFF_S),
            clock=self._clock,
            turn=self._loading,
        )

    def _loading(self) -> str:
        """The models whose loading others have to wait for; empty while there is room for one more."""
        names = [worker.name for worker in self._workers if worker.loading]
        return ", ".join(names) + " to load" if len(names) >= self._manifest.kernel.load_at_once else ""

    def _slots(self) -> list[Slot]:
        return [self._gateway, *self._workers]

    # --- the loop ----------------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        before = self._clock()
        sleep = self._sleep(before)
        for key, events in self._selector.select(sleep):
            key.data(events)
        if self._cut_short:
            return
        late = self._clock() - before - sleep
        if late > HELD_UP_S:
            for slot in self._slots():
                slot.forgive(late)
        self._children.reap()
        for slot in self._slots():
            slot.tick()
        self._control.tick()
        self._advance()

    def _signalled(self, signals: SignalReader) -> None:
        for wish in signals.take():
            if wish is Wish.END:
                self._shut_down()
            else:
                with suppress(JackfieldError):  # it was reported
                    self._changes.reread()

    def _end_by_operator(self) -> None:
        """As a first signal; whoever asks twice is not in a hurry."""
        if self._phase is _Phase.SERVING:
            self._shut_down()

    def _sleep(self, now: float) -> float:
        due = [slot.restart_at - now for slot in self._slots() if slot.restart_at is not None]
        return max(0.0, min([TICK_S, *due]))

    def _heard(self, child: Child, message: ToSupervisor) -> None:
        if isinstance(message, LinkLost) and child is self._gateway.child:
            self._connect_again(child, message.model)
        elif isinstance(message, Ask):
            child.send(Told(ticket=message.ticket, answer=self._answers.answer_encoded(message.question)))
        elif isinstance(message, CacheAnswered):
            self._answers.answered(child, message)
        elif isinstance(message, Reconfigured):
            self._changes.answered(child, message)

    # --- the command line --------------------------------------------------------------------------------------------

    def _open_control(self) -> Addresses:
        """Open the control socket; say where this server can be reached."""
        scheme = "https" if self._manifest.kernel.tls is not None else "http"
        api, health = listeners.urls(self._public, scheme), listeners.urls(self._health)
        self._answers.at(api, health)
        try:
            self._control.open(api[0].partition("//")[2])
        except (UnsafeFolder, OSError) as error:
            reason = error.strerror or "" if isinstance(error, OSError) else str(error)
            return Addresses(api, health, no_control=reason)
        return Addresses(api, health)

    # --- children ----------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        kernel, where = self._manifest.kernel, self._manifest.origin
        self._public = listeners.bind(kernel.listen, key="kernel.listen", where=where("kernel.listen"), listen=False)
        self._health = listeners.bind(kernel.health, key="kernel.health", where=where("kernel.health"), listen=True)

    def _start_gateway(self, gateway: Slot) -> Child:
        child = self._children.spawn(self._commands.gateway, gateway)
        self._generation += 1
        sockets = [*self._public, *self._health]
        boot = BootGateway(
            generation=self._generation,
            manifest=self._live.dump,
            public_listeners=len(self._public),
            health_listeners=len(self._health),
            started=self._started,
        )
        child.send(boot, [one.fileno() for one in sockets])
        for worker in self._workers:
            child.send(worker_status(worker))
            if worker.state is WorkerState.READY:
                self._connect(child, worker)
        return child

    def _start_worker(self, worker: Slot) -> Child:
        child = self._children.spawn(self._commands.worker, worker, model=worker.name)
        child.send(BootWorker(model=worker.name, manifest=self._live.dump))
        offer = self._changes.open
        if offer is not None:  # whoever serves may take it over in a moment
            child.send(offer)
        return child

    def _connect(self, gateway: Process, worker: Slot) -> None:
        """Give the gateway and a ready worker the two ends of a new data connection."""
        if worker.child is None:
            return
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        except OSError as error:  # no descriptors left: the next start of the worker tries again
            worker.end(f"could not be connected: {error.strerror}")
            return
        with ours, theirs:
            worker.child.send(Attach(model=worker.name), [ours.fileno()])
            gateway.send(Attach(model=worker.name), [theirs.fileno()])

    def _connect_again(self, gateway: Process, model: str) -> None:
        for worker in self._workers:
            if worker.name == model and worker.state is WorkerState.READY:
                self._connect(gateway, worker)

    def _worker_changed(self, worker: Slot) -> None:
        gateway = self._gateway.child
        if gateway is not None:
            if worker.state is WorkerState.READY:
                self._connect(gateway, worker)
            gateway.send(worker_status(worker))
        self._tell(worker_status(worker))

    def _tell(self, status: WorkerStatus) -> None:
        """Report *status*; what happens before there is a server to speak of, when there is one."""
        if self._served:
            self._report.worker(status)
        else:
            self._untold.append(status)

    def _gateway_changed(self, gateway: Slot) -> None:
        if gateway.state is WorkerState.READY and gateway.ready is not None:
            self._gateway_ready(gateway.ready, gateway.restarts)
        elif gateway.state is WorkerState.FAILED and gateway.child is not None:
            self._report.trouble(f"the gateway refuses to start: {gateway.reason}")
            if not self._served:
                self._give_up(EXIT_REFUSED)
        elif gateway.state is WorkerState.FAILED and self._served:
            gateway.retry()
        elif gateway.state is WorkerState.BACKOFF:
            self._report.trouble(f"the gateway {gateway.reason}")
            if not self._served and gateway.restarts + 1 >= FALSE_STARTS_MAX:
                self._report.trouble(f"the gateway died {FALSE_STARTS_MAX} times before it served; giving up")
                self._give_up(EXIT_FAILED)

    def _gateway_ready(self, ready: Ready, restarts: int) -> None:
        first, self._served = not self._served, True
        if first:
            self._report.listening(self._addresses)
        self._report.gateway_ready(ready, restarts)
        while self._untold:
            self._report.worker(self._untold.popleft())

    # --- the end -----------------------------------------------------------------------------------------------------

    def _shut_down(self) -> None:
        """First signal: drain. Second one: end at once."""
        if self._phase is not _Phase.SERVING:
            self._exit_code = EXIT_FAILED
            self._cut_short = True
            return
        self._phase = _Phase.DRAINING
        timeout_s = self._manifest.kernel.drain_s
        self._report.stopping(timeout_s)
        self._close_listeners()
        self._gateway.stop(Drain(timeout_s=timeout_s), timeout_s + STOP_GRACE_S)

    def _give_up(self, exit_code: int) -> None:
        self._exit_code = exit_code
        self._phase = _Phase.DRAINING
        self._gateway.stop(Stop(), STOP_GRACE_S)

    def _advance(self) -> None:
        """Stop the workers once no gateway needs them."""
        if self._phase is _Phase.DRAINING and self._gateway.stopped:
            self._phase = _Phase.STOPPING
            for worker in self._workers:
                worker.stop(Stop(), STOP_GRACE_S)

    def _done(self) -> bool:
        return self._cut_short or (self._phase is _Phase.STOPPING and not self._children)

    def _end_everything(self) -> None:
        self._close_listeners()
        self._children.end()
        self._control.close()

    def _close_listeners(self) -> None:
        for one in (*self._public, *self._health):
            one.close()
        self._public, self._health = [], []
