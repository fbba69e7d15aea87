"""An engine of plain numbers: sequences, slots, cells and a clock, and nothing computed.

It does what a worker's engine does with a plan, in the same order and by the same rules, so that a scheduler cannot
tell the difference; a whole day of a worker takes seconds.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, deque
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from jackfield.ports.scheduler import SchedulerView
from jackfield.scheduling import answers, find
from jackfield.simulation.rules import check_plan
from jackfield.simulation.sequence import Prefix, SimulatedSequence

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jackfield.ports.scheduler import StepPlan
    from jackfield.simulation.trace import TracedRequest

REPLAN_S: Final = 0.01
"""What a step takes in which nothing is computed, in seconds: how long an engine waits until it asks again."""

_by_id = attrgetter("id")


class Pool(NamedTuple):
    """What the engine has."""

    slots: int
    cells: int
    """At least what the largest request takes, prompt and answer together, as intake guarantees."""
    step_tokens: int


class Costs(NamedTuple):
    """What a step takes, in seconds."""

    step_s: float
    """Whatever is in it."""
    row_s: float
    """More for each answer."""
    token_s: float
    """More for each prompt token."""


class SimulatedEngine:
    """Plays a trace, one plan after another.

    Parameters:
        pool: What there is room for.
        costs: How the clock runs.
        trace: Requests, oldest first. The clock does not wait for the next one when there is nothing to do.
    """

    def __init__(self, pool: Pool, costs: Costs, trace: Sequence[TracedRequest]) -> None:
        self.now = 0.0
        self.steps = 0
        self.waiting: list[SimulatedSequence] = []
        self.running: list[SimulatedSequence] = []
        self.finished: list[SimulatedSequence] = []
        self.tenants: Counter[str] = Counter()
        """How many requests of each tenant wait."""
        self._pool = pool
        self._costs = costs
        self._coming = deque(enumerate(trace))
        self._prefixes: dict[str, Prefix] = {}
        self._arrive()

    @property
    def view(self) -> SchedulerView:
        """What the scheduler sees now. The lists are the engine's own: it must not change them."""
        return SchedulerView(
            now=self.now,
            waiting=self.waiting,
            running=self.running,
            free_slots=self._pool.slots - len(self.running),
            free_tokens=self._pool.cells - self.cells,
            max_tokens=self._pool.step_tokens,
            token_s=self._costs.token_s,
        )

    @property
    def cells(self) -> int:
        """How many running sequences hold, each counted once."""
        own = sum(sequence.computed - sequence.in_prefix for sequence in self.running)
        return own + sum(prefix.held for prefix in self._prefixes.values())

    @property
    def idle(self) -> bool:
        """Whether every request has ended."""
        return not (self._coming or self.waiting or self.running)

    def named(self, numbers: Iterable[int]) -> list[SimulatedSequence]:
        """Those of *numbers* that wait."""
        found = (find(self.waiting, number) for number in numbers)
        return [sequence for sequence in found if sequence is not None]

    def play(self, plan: StepPlan) -> None:
        """Check *plan*, do what it says, and let the clock run.

        Raises:
            BrokenRule: The plan is not one an engine could do.
        """
        view = self.view
        check_plan(view, plan)
        tokens = {chunk.id: chunk.tokens for chunk in plan.chunks}
        self._preempt(set(plan.preempt))
        self._start(tokens)
        chunks = [(sequence, tokens[sequence.id]) for sequence in self.running if sequence.id in tokens]
        self.now += self._duration(chunks) if chunks else REPLAN_S
        for sequence, count in chunks:
            self._compute(sequence, count)
        self.steps += 1
        self._arrive()

    def _duration(self, chunks: Sequence[tuple[SimulatedSequence, int]]) -> float:
        rows = sum(answers(sequence) for sequence, _ in chunks)
        prompts = sum(count for sequence, count in chunks if not answers(sequence))
        return self._costs.step_s + rows * self._costs.row_s + prompts * self._costs.token_s

    def _arrive(self) -> None:
        if self._coming and not (self.waiting or self.running):
            self.now = max(self.now, self._coming[0][1].arrival_s)
        while self._coming and self._coming[0][1].arrival_s <= self.now:
            number, request = self._coming.popleft()
            prefix = None
            if request.prefix:
                prefix = self._prefixes.setdefault(request.prefix, Prefix(request.prefix_tokens))
            self.waiting.append(SimulatedSequence(number, request, prefix))
            self.tenants[request.tenant] += 1

    def _preempt(self, victims: set[int]) -> None:
        for sequence in [sequence for sequence in self.running if sequence.id in victims]:
            self.running.remove(sequence)
            sequence.stop()
            insort(self.waiting, sequence, key=_by_id)
            self.tenants[sequence.tenant] += 1

    def _start(self, tokens: dict[int, int]) -> None:
        for sequence in self.named(tokens):
            if sequence.expects_more:
                continue
            del self.waiting[bisect_left(self.waiting, sequence.id, key=_by_id)]
            self.tenants[sequence.tenant] -= 1
            sequence.start(self.now)
            self.running.append(sequence)

    def _compute(self, sequence: SimulatedSequence, tokens: int) -> None:
        sequence.compute(tokens, self.now)
        if sequence.ended:
            self.running.remove(sequence)
            sequence.stop()
            self.finished.append(sequence)
