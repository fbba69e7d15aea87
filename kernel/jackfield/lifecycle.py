"""The life cycles of a request and of a worker, as tables.

Rules of this file:

1. Everything that decides whether a step is legal lives in a table here; code elsewhere fires events and reads states.
2. No I/O, no clock, no threads: a life cycle is advanced by whoever owns the object it describes.
3. The diagrams in the docs are drawn from these tables (``diagram``), so they cannot differ from the code.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

State = TypeVar("State", bound=StrEnum)
Event = TypeVar("Event", bound=StrEnum)


class IllegalTransition(AssertionError):
    """An event was fired that the table does not allow in this state: a defect of ours, never of a client."""


class RequestState(StrEnum):
    """Where a request stands, from the worker's point of view."""

    PREPARING = "preparing"
    """In the intake thread: rendered, tokenised, measured."""
    WAITING = "waiting"
    """In the scheduler's queue; holds no slot and no KV cells."""
    PREFILL = "prefill"
    """Holds a slot; its prompt is being computed, chunk by chunk. Where nothing is to be drawn it ends here."""
    DECODE = "decode"
    """Holds a slot; gives a token a step, or several where a grammar leaves no choice."""
    FINISHED = "finished"
    CANCELLED = "cancelled"
    FAILED = "failed"


class RequestEvent(StrEnum):
    """What can happen to a request."""

    PREPARED = "prepared"
    SCHEDULED = "scheduled"
    PROMPT_DONE = "prompt_done"
    PREEMPTED = "preempted"
    END = "end"
    CANCEL = "cancel"
    FAIL = "fail"


REQUEST: Final[Mapping[RequestState, Mapping[RequestEvent, RequestState]]] = {
    RequestState.PREPARING: {
        RequestEvent.PREPARED: RequestState.WAITING,
        RequestEvent.END: RequestState.FINISHED,
        RequestEvent.CANCEL: RequestState.CANCELLED,
        RequestEvent.FAIL: RequestState.FAILED,
    },
    RequestState.WAITING: {
        RequestEvent.SCHEDULED: RequestState.PREFILL,
        RequestEvent.CANCEL: RequestState.CANCELLED,
        RequestEvent.FAIL: RequestState.FAILED,
    },
    RequestState.PREFILL: {
        RequestEvent.PROMPT_DONE: RequestState.DECODE,
        RequestEvent.PREEMPTED: RequestState.WAITING,
        RequestEvent.END: RequestState.FINISHED,
        RequestEvent.CANCEL: RequestState.CANCELLED,
        RequestEvent.FAIL: RequestState.FAILED,
    },
    RequestState.DECODE: {
        RequestEvent.PREEMPTED: RequestState.WAITING,
        RequestEvent.END: RequestState.FINISHED,
        RequestEvent.CANCEL: RequestState.CANCELLED,
        RequestEvent.FAIL: RequestState.FAILED,
    },
    RequestState.FINISHED: {},
    RequestState.CANCELLED: {},
    RequestState.FAILED: {},
}


class WorkerState(StrEnum):
    """Where a worker process stands, from the supervisor's point of view."""

    WAITING = "waiting"
    """Its turn to load has not come yet (``kernel.load_at_once``); there is no process."""
    STARTING = "starting"
    """The process exists; it has not said anything yet."""
    LOADING = "loading"
    """It reports progress of loading its model."""
    READY = "ready"
    """It serves."""
    RECYCLING = "recycling"
    """It is to be restarted: it finishes the requests it has and is given no new ones."""
    BACKOFF = "backoff"
    """It ended by itself; the next start waits for the back-off delay."""
    FAILED = "failed"
    """It cannot work as configured (a model file that does not load): no restart until the configuration changes."""
    STOPPING = "stopping"
    """It was asked to end."""
    STOPPED = "stopped"


class WorkerEvent(StrEnum):
    """What can happen to a worker."""

    START = "start"
    PROGRESS = "progress"
    READY = "ready"
    DIED = "died"
    REFUSED = "refused"
    RECYCLE = "recycle"
    RESTART = "restart"
    STOP = "stop"


WORKER: Final[Mapping[WorkerState, Mapping[WorkerEvent, WorkerState]]] = {
    WorkerState.WAITING: {
        WorkerEvent.START: WorkerState.STARTING,
        WorkerEvent.STOP: WorkerState.STOPPED,
    },
    WorkerState.STARTING: {
        WorkerEvent.PROGRESS: WorkerState.LOADING,
        WorkerEvent.READY: WorkerState.READY,
        WorkerEvent.REFUSED: WorkerState.FAILED,
        WorkerEvent.DIED: WorkerState.BACKOFF,
        WorkerEvent.STOP: WorkerState.STOPPING,
    },
    WorkerState.LOADING: {
        WorkerEvent.PROGRESS: WorkerState.LOADING,
        WorkerEvent.READY: WorkerState.READY,
        WorkerEvent.REFUSED: WorkerState.FAILED,
        WorkerEvent.DIED: WorkerState.BACKOFF,
        WorkerEvent.STOP: WorkerState.STOPPING,
    },
    WorkerState.READY: {
        WorkerEvent.RECYCLE: WorkerState.RECYCLING,
        WorkerEvent.DIED: WorkerState.BACKOFF,
        WorkerEvent.STOP: WorkerState.STOPPING,
    },
    WorkerState.RECYCLING: {
        WorkerEvent.DIED: WorkerState.BACKOFF,
        WorkerEvent.STOP: WorkerState.STOPPING,
    },
    WorkerState.BACKOFF: {
        WorkerEvent.RESTART: WorkerState.STARTING,
        WorkerEvent.STOP: WorkerState.STOPPED,
    },
    WorkerState.FAILED: {
        WorkerEvent.DIED: WorkerState.FAILED,
        WorkerEvent.RESTART: WorkerState.STARTING,
        WorkerEvent.STOP: WorkerState.STOPPED,
    },
    WorkerState.STOPPING: {
        WorkerEvent.STOP: WorkerState.STOPPING,
        WorkerEvent.DIED: WorkerState.STOPPED,
    },
    WorkerState.STOPPED: {},
}


class LifeCycle(Generic[State, Event]):
    """One object's position in a table.

    Parameters:
        table: For each state, the events that are legal in it and the state they lead to. A state without events is
            final.
        state: The state to begin in.

    Not thread-safe: fired by the one thread that owns the object.
    """

    __slots__ = ("_table", "state")

    def __init__(self, table: Mapping[State, Mapping[Event, State]], state: State) -> None:
        self._table = table
        self.state = state

    def allows(self, event: Event) -> bool:
        """Whether *event* is legal now."""
        return event in self._table[self.state]

    def fire(self, event: Event) -> State:
        """Advance by *event* and return the new state; raise ``IllegalTransition`` if the table has no such edge."""
        successor = self._table[self.state].get(event)
        if successor is None:
            raise IllegalTransition(f"{event!s} is not possible in state {self.state!s}")
        self.state = successor
        return successor

    @property
    def final(self) -> bool:
        """Whether nothing can happen any more."""
        return not self._table[self.state]


def diagram(table: Mapping[State, Mapping[Event, State]]) -> str:
    """The table as a Mermaid state diagram, for the docs."""
    lines = ["stateDiagram-v2"]
    for state, edges in table.items():
        lines += [f"    {state} --> {successor}: {event}" for event, successor in edges.items()]
        if not edges:
            lines.append(f"    {state} --> [*]")
    return "\n".join(lines)
