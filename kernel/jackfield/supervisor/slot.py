"""The place of one child: its life cycle, its deadlines, its restarts. Processes are touched through ``Process`` only.

Which steps are legal is ``jackfield.lifecycle.WORKER``'s business; a gateway goes through the same states.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from jackfield.channel.messages import Heartbeat, Progress, Ready, Refused, Stop, WorkerStatus
from jackfield.lifecycle import WORKER, LifeCycle, WorkerEvent, WorkerState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jackfield.channel.messages import ToChild, ToSupervisor
    from jackfield.error_record import ErrorRecord
    from jackfield.supervisor.backoff import Backoff

SILENCE_S: Final = 10.0
"""Ten missed heartbeats: the child hangs. Less would end children of a machine that is merely overloaded."""

FIRST_WORD_S: Final = 30.0
"""Until its first message a child imports Python modules, which takes long on a cold disk."""


QUIET_BEATS: Final = 2
"""Heartbeats in a row without a request until a worker that is to be restarted has finished: the first one may have
been sent before the gateway knew."""

STOP_GRACE_S: Final = 5.0
"""From ``Stop``, or from the end of a drain, until SIGKILL."""


class Process(Protocol):
    """What a slot does to its child."""

    @property
    def pid(self) -> int:
        """Process id."""
        ...

    def send(self, message: ToChild, descriptors: Sequence[int] = ()) -> None:
        """Send *message*."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...


class Patience(NamedTuple):
    """How long a child may take, in seconds."""

    load_s: float
    """From start until ready."""
    step_s: float
    """For one engine step."""


class Slot:
    """One child that is kept running.

    Parameters:
        name: The model, or ``gateway``; for messages.
        start: Starts the process and sends its first message; raises ``OSError`` if the system cannot.
        changed: Called after every change that others should know of.
        patience: Its deadlines.
        backoff: Delays between restarts.
        clock: Monotonic seconds.
        turn: Who it waits for before it may start its child, as words; empty when it may. None: it always may.
    """

    def __init__(
        self,
        name: str,
        *,
        start: Callable[[Slot], Process],
        changed: Callable[[Slot], None],
        patience: Patience,
        backoff: Backoff,
        clock: Callable[[], float],
        turn: Callable[[], str] | None = None,
    ) -> None:
        self.name = name
        self.child: Process | None = None
        self.reason = ""
        """Why it is in its state, for people."""
        self.restarts = 0
        self.ready: Ready | None = None
        """What it said when it last became ready."""
        self.error: ErrorRecord | None = None
        """Why it refused."""
        self.requests = 0
        """What it had to do when it last said."""
        self._start = start
        self._changed = changed
        self._patience = patience
        self._backoff = backoff
        self._clock = clock
        self._turn = turn
        self._life = LifeCycle(WORKER, WorkerState.WAITING)
        self._started = 0.0
        self._heard: float | None = None
        self._ready_at: float | None = None
        self._restart_at: float | None = None
        self._kill_at: float | None = None
        self._release_at: float | None = None
        self._blame: str | None = None
        self._held = False
        self._quiet = 0
        self._wanted = False

    @property
    def state(self) -> WorkerState:
        """Where it stands."""
        return self._life.state

    @property
    def stopped(self) -> bool:
        """Whether it was stopped and its process is gone."""
        return self._life.final and self.child is None

    @property
    def loading(self) -> bool:
        """Whether a child of it is on its way to being ready."""
        return self.child is not None and self.state in (WorkerState.STARTING, WorkerState.LOADING)

    @property
    def serves(self) -> bool:
        """Whether its child serves requests, if only those that it has already."""
        return self.state in (WorkerState.READY, WorkerState.RECYCLING)

    @property
    def uptime_s(self) -> float | None:
        """Seconds since the child was started; None where there is none."""
        return None if self.child is None else self._clock() - self._started

    @property
    def restart_at(self) -> float | None:
        """When the next start is due, on the slot's clock; None also while others have to be ready first."""
        return None if self._held else self._restart_at

    def start(self) -> None:
        """Start the child as soon as its turn has come."""
        self._restart_at = self._clock()
        self.tick()

    def take(self, message: ToSupervisor) -> None:
        """Act on what the child said. A child that says what its state does not allow is ended."""
        self._heard = self._clock()
        match message:
            case Heartbeat(busy_s=busy_s, requests=requests):
                if busy_s > self._patience.step_s:
                    self.end(f"an engine step took longer than {self._patience.step_s:g} s")
                self._note_requests(requests)
            case Progress(fraction=fraction):
                self._progress(fraction)
            case Ready():
                self._became_ready(message)
            case Refused(error=error):
                self._refused(error)

    def exited(self, how: str) -> None:
        """The process is gone, for a reason such as ``ended by SIGKILL``."""
        self.child = None
        self._died(self._blame or how)

    def tick(self) -> None:
        """Do what is due: a restart, or the end of a child that is silent, slow to load or slow to stop."""
        now = self._clock()
        if self.child is not None:
            self._watch(self.child, now)
        elif self._restart_at is not None and now >= self._restart_at and not self._hold():
            self._begin()

    def forgive(self, seconds: float) -> None:
        """Do not count the last *seconds*: the supervisor itself was held up, so silence proves nothing."""
        self._started += seconds
        if self._heard is not None:
            self._heard += seconds
        if self._kill_at is not None:
            self._kill_at += seconds
        if self._release_at is not None:
            self._release_at += seconds

    def retry(self) -> None:
        """Start a child that refused once more, after the back-off."""
        self._schedule()

    def recycle(self, grace_s: float) -> bool:
        """Restart the child on somebody's wish; one that serves gets *grace_s* seconds to finish what it has.

        Returns:
            Whether that can be: not while it stops.
        """
        match self.state:
            case WorkerState.READY | WorkerState.RECYCLING:
                self._finish(grace_s)
            case WorkerState.STARTING | WorkerState.LOADING:
                self._wanted = True
                self.end("is restarted on request")
            case WorkerState.BACKOFF | WorkerState.FAILED:
                self._restart_at = self._clock()
                self._held = False
                self.tick()
            case WorkerState.WAITING:
                pass  # its turn comes anyway
            case _:
                return False
        return True

    def stop(self, message: ToChild, grace_s: float) -> None:
        """Ask the child to end with *message*, and kill it *grace_s* seconds later. One in back-off stays down."""
        if self._life.final:
            return
        self._restart_at = self._release_at = None
        if self._life.fire(WorkerEvent.STOP) is WorkerState.STOPPING and self.child is not None:
            self._kill_at = self._clock() + grace_s
            self.child.send(message)
        elif self.child is not None:
            self.child.kill()
        self._changed(self)

    def hung_up(self, grace_s: float) -> None:
        """The child closed the conversation; it has *grace_s* seconds to end."""
        if self._kill_at is None:
            self._kill_at = self._clock() + grace_s

    def end(self, blame: str) -> None:
        """Kill the child, and restart it after the back-off; *blame* says why."""
        if self._blame is None and self.child is not None:
            self._blame = blame
            self.child.kill()

    def _hold(self) -> bool:
        """Whether others have their turn first; says so once."""
        others = self._turn() if self._turn is not None else ""
        held, self._held = self._held, bool(others)
        if others and not held:
            self.reason = f"waiting for {others}"
            self._changed(self)
        return self._held

    def _begin(self) -> None:
        again = self.state is not WorkerState.WAITING
        self._life.fire(WorkerEvent.RESTART if again else WorkerEvent.START)
        self.restarts += again
        self._started = self._clock()
        self._heard = self._ready_at = self._restart_at = self._kill_at = self._release_at = self._blame = None
        self._quiet = self.requests = 0
        self._wanted = False
        self.error = None
        self.reason = ""
        try:
            self.child = self._start(self)
        except OSError as error:
            self._died(f"could not be started: {error.strerror}")
            return
        self._changed(self)

    def _note_requests(self, requests: int) -> None:
        self.requests = requests
        if self.state is not WorkerState.RECYCLING:
            return
        self._quiet = 0 if requests else self._quiet + 1
        if self._quiet == QUIET_BEATS:
            self._release()
        elif requests:
            self._say(f"restarting: {requests} request{'s' if requests > 1 else ''} to finish")

    def _finish(self, grace_s: float) -> None:
        self._wanted = True
        due = self._clock() + grace_s
        # who asks once more does not wait longer
        self._release_at = due if self._release_at is None else min(due, self._release_at)
        if self.state is WorkerState.READY:
            self._life.fire(WorkerEvent.RECYCLE)
            self._say("restarting on request")
        if not grace_s:
            self._release()

    def _release(self) -> None:
        self._release_at = None
        if self.child is not None:
            self._kill_at = self._clock() + STOP_GRACE_S
            self.child.send(Stop())

    def _say(self, reason: str) -> None:
        if reason != self.reason:
            self.reason = reason
            self._changed(self)

    def _progress(self, fraction: float) -> None:
        if not (0 <= fraction <= 1 and self._life.allows(WorkerEvent.PROGRESS)):
            self._breach(WorkerEvent.PROGRESS)
            return
        self._life.fire(WorkerEvent.PROGRESS)
        self._say(f"loading {math.floor(100 * fraction)} %")

    def _became_ready(self, message: Ready) -> None:
        if not self._life.allows(WorkerEvent.READY):
            self._breach(WorkerEvent.READY)
            return
        self._life.fire(WorkerEvent.READY)
        self._ready_at = self._clock()
        self.ready = message
        self.reason = ""
        self._changed(self)

    def _refused(self, error: ErrorRecord) -> None:
        if not self._life.allows(WorkerEvent.REFUSED):
            self._breach(WorkerEvent.REFUSED)
            return
        self._life.fire(WorkerEvent.REFUSED)
        self.error = error
        self.reason = error.message
        self.hung_up(SILENCE_S)
        self._changed(self)

    def _breach(self, event: WorkerEvent) -> None:
        if self.state is not WorkerState.STOPPING:
            self.end(f"said {event!s} while {self.state!s}")

    def _watch(self, child: Process, now: float) -> None:
        if self._kill_at is not None:
            if now >= self._kill_at:
                child.kill()
            return
        if self._release_at is not None and now >= self._release_at:
            self._release()
            return
        heard, limit = (self._started, FIRST_WORD_S) if self._heard is None else (self._heard, SILENCE_S)
        if now - heard > limit:
            self.end(f"gave no sign of life for {limit:g} s{self._since()}")
        elif self._ready_at is None and now - self._started > self._patience.load_s:
            self.end(f"not ready after {self._patience.load_s:g} s")

    def _died(self, how: str) -> None:
        if self._life.final:
            return
        if self._life.fire(WorkerEvent.DIED) is WorkerState.BACKOFF:
            self._schedule(how)
        self._changed(self)

    def _since(self) -> str:
        return " after it was started" if self._heard is None else ""

    def _schedule(self, how: str = "") -> None:
        now = self._clock()
        if self._wanted:
            self._restart_at = now
            self.reason = "restarting on request"
            return
        delay = self._backoff.delay(now - self._ready_at if self._ready_at is not None else 0.0)
        self._restart_at = now + delay
        self.reason = f"{how or self.reason}; restarting in {delay:.1f} s"


def worker_status(worker: Slot) -> WorkerStatus:
    """Where *worker* stands, as gateways are told."""
    ready = worker.ready
    return WorkerStatus(
        model=worker.name,
        state=worker.state,
        reason=worker.reason,
        restarts=worker.restarts,
        info=ready.info if ready is not None else None,
        limits=ready.limits if ready is not None else None,
        chat=ready.chat if ready is not None else None,
        shapes=ready.shapes if ready is not None else (),
    )
