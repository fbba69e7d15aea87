"""The place of one child: its life cycle, its deadlines, its restarts. Processes are touched through ``Process`` only.

Which steps are legal is ``jackfield.lifecycle.WORKER``'s business; a gateway goes through the same states.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from jackfield.channel.messages import Heartbeat, Progress, Ready, Refused
from jackfield.lifecycle import WORKER, LifeCycle, WorkerEvent, WorkerState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jackfield.channel.messages import ToChild, ToSupervisor
    from jackfield.errors import ErrorRecord
    from jackfield.supervisor.backoff import Backoff

SILENCE_S: Final = 10.0
"""Ten missed heartbeats: the child hangs. Less would end children of a machine that is merely overloaded."""

FIRST_WORD_S: Final = 30.0
"""Until its first message a child imports Python modules, which takes long on a cold disk."""


class Process(Protocol):
    """What a slot does to its child."""

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
        self._start = start
        self._changed = changed
        self._patience = patience
        self._backoff = backoff
        self._clock = clock
        self._life = LifeCycle(WORKER, WorkerState.STARTING)
        self._started = 0.0
        self._heard: float | None = None
        self._ready_at: float | None = None
        self._restart_at: float | None = None
        self._kill_at: float | None = None
        self._blame: str | None = None

    @property
    def state(self) -> WorkerState:
        """Where it stands."""
        return self._life.state

    @property
    def stopped(self) -> bool:
        """Whether it was stopped and its process is gone."""
        return self._life.final and self.child is None

    @property
    def restart_at(self) -> float | None:
        """When the next start is due, on the slot's clock."""
        return self._restart_at

    def start(self) -> None:
        """Start the child; a system that cannot counts as a child that died."""
        self._started = self._clock()
        self._heard = self._ready_at = self._restart_at = self._kill_at = self._blame = None
        self.error = None
        self.reason = ""
        try:
            self.child = self._start(self)
        except OSError as error:
            self._died(f"could not be started: {error.strerror}")
            return
        self._changed(self)

    def take(self, message: ToSupervisor) -> None:
        """Act on what the child said. A child that says what its state does not allow is ended."""
        self._heard = self._clock()
        match message:
            case Heartbeat(busy_s=busy_s):
                if busy_s > self._patience.step_s:
                    self.end(f"an engine step took longer than {self._patience.step_s:g} s")
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
        if self._restart_at is not None and now >= self._restart_at and self.child is None:
            self._life.fire(WorkerEvent.RESTART)
            self.restarts += 1
            self.start()
        elif self.child is not None:
            self._watch(self.child, now)

    def forgive(self, seconds: float) -> None:
        """Do not count the last *seconds*: the supervisor itself was held up, so silence proves nothing."""
        self._started += seconds
        if self._heard is not None:
            self._heard += seconds
        if self._kill_at is not None:
            self._kill_at += seconds

    def retry(self) -> None:
        """Start a child that refused once more, after the back-off."""
        self._schedule()

    def stop(self, message: ToChild, grace_s: float) -> None:
        """Ask the child to end with *message*, and kill it *grace_s* seconds later. One in back-off stays down."""
        if self._life.final:
            return
        self._restart_at = None
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

    def _progress(self, fraction: float) -> None:
        if not (0 <= fraction <= 1 and self._life.allows(WorkerEvent.PROGRESS)):
            self._breach(WorkerEvent.PROGRESS)
            return
        self._life.fire(WorkerEvent.PROGRESS)
        reason = f"loading {math.floor(100 * fraction)} %"
        if reason != self.reason:
            self.reason = reason
            self._changed(self)

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
        heard, limit = (self._started, FIRST_WORD_S) if self._heard is None else (self._heard, SILENCE_S)
        if now - heard > limit:
            self.end(f"no heartbeat for {limit:g} s")
        elif self._ready_at is None and now - self._started > self._patience.load_s:
            self.end(f"not ready after {self._patience.load_s:g} s")

    def _died(self, how: str) -> None:
        if self._life.final:
            return
        if self._life.fire(WorkerEvent.DIED) is WorkerState.BACKOFF:
            self._schedule(how)
        self._changed(self)

    def _schedule(self, how: str = "") -> None:
        now = self._clock()
        delay = self._backoff.delay(now - self._ready_at if self._ready_at is not None else 0.0)
        self._restart_at = now + delay
        self.reason = f"{how or self.reason}; restarting in {delay:.1f} s"
