"""Schedulers: which sequences run in the next step, and with how many tokens.

``jackfield_schedulers`` hands over factories of ``Scheduler``. The engine loop asks ``plan`` once a step. A
scheduler is a pure function of the views it was given so far: no I/O, no clock but ``view.now``, no change to anything
in the view. The same views give the same plans, and a view with the same ``now`` as the one before gives the same plan.
``jackfield.scheduling`` has what schedulers are built from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeAlias


class SequenceView(Protocol):
    """What a scheduler may know of a sequence. Read-only."""

    @property
    def id(self) -> int:
        """Names the sequence in the plan; unique while the worker lives, rising in order of arrival."""
        ...

    @property
    def pending(self) -> int:
        """Tokens that are known but not computed: the rest of the prompt in prefill, usually 1 in decode; at least 1.

        Of a waiting sequence those that it would have to compute if it started now, after what the prefix cache has.
        """
        ...

    @property
    def computed(self) -> int:
        """Tokens that need not be computed any more, or were found cached.

        Of a waiting sequence those that it would find cached if it started now.
        """
        ...

    @property
    def cells(self) -> int:
        """KV cells for ``computed`` that it shares with no other running sequence.

        What preempting it frees; of a waiting sequence what starting it takes before anything is computed.
        """
        ...

    @property
    def generated(self) -> int:
        """Tokens drawn so far; 0 while its prompt is being computed."""
        ...

    @property
    def tenant(self) -> str:
        """Who is served, as ``authenticator/id``: ``keys/ci``; empty where nobody is asked who calls."""
        ...

    @property
    def priority(self) -> int:
        """Lower goes first; -100 to 100, 0 unless the request says otherwise."""
        ...

    @property
    def arrived(self) -> float:
        """When it was queued, in seconds on the clock of ``view.now``."""
        ...


class SchedulerView(NamedTuple):
    """The state of the engine before a step."""

    now: float
    """Monotonic clock, seconds."""
    waiting: Sequence[SequenceView]
    """Hold no slot; oldest first, preempted ones at the place their arrival gives them."""
    running: Sequence[SequenceView]
    """Hold a slot; in the order they were given one."""
    free_slots: int
    """Sequences that may start."""
    free_tokens: int
    """KV cells that no running sequence holds. What the prefix cache keeps there makes room by itself."""
    max_tokens: int
    """Most tokens of the step: the runner's batch limit."""
    token_s: float = 0.0
    """What a prompt token in a step takes, in seconds, as measured lately; 0 before anything was measured."""


class Chunk(NamedTuple):
    """``tokens`` of sequence ``id`` are computed in this step."""

    id: int
    tokens: int


class StepPlan(NamedTuple):
    """What the engine does in one step.

    The engine first takes back slots and cells of ``preempt`` (they wait again and are computed anew later), then
    computes ``chunks``. A waiting sequence in ``chunks`` starts. An empty plan means nothing can run. The engine may
    compute less than planned, and start a sequence later: one whose prompt begins like another's that is just being
    computed waits for it instead of computing the same again. What it leaves out is in the next view as before.
    """

    chunks: Sequence[Chunk]
    """At most one per sequence; 1 to ``pending`` tokens each; together at most ``max_tokens`` tokens. Tokens and the
    ``cells`` of those that start are at most ``free_tokens`` plus the ``cells`` of ``preempt``. At most ``free_slots``
    sequences start, plus those of ``preempt``."""
    preempt: Sequence[int] = ()
    """Ids of running sequences; none of them in ``chunks``."""


class Scheduler(Protocol):
    """Plans steps. Called by the engine loop thread only.

    Made once per worker, and again when its options change while the worker runs: the new one takes over between two
    steps, and its first view may have sequences that run.
    """

    def plan(self, view: SchedulerView) -> StepPlan:
        """The next step.

        Progress is the scheduler's duty: while sequences run and cells are short it must preempt, and a view with
        sequences and nothing running must not give an empty plan for ever.

        Process and thread: worker, engine loop thread. Deadline: 1 ms; slower calls are counted, and logged by name at
        most once a minute. Failure policy: closed; an exception, or a plan that breaks the rules of ``StepPlan``, ends
        the worker with its name in the log, and it is started again.
        """
        ...


SchedulerFactory: TypeAlias = Callable[[], Scheduler]
"""What ``jackfield_schedulers`` hands over."""
