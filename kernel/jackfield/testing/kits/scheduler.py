"""Conformance of schedulers: ``jackfield.ports.scheduler.Scheduler``.

The kit plays the engine: it keeps sequences, slots and cells as plain numbers, asks the scheduler for plans, and checks
each plan against the rules of ``StepPlan``. Nothing is computed, so a whole life of a worker takes milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jackfield.plugins import Kernel
from jackfield.ports.scheduler import SchedulerView
from jackfield.testing.kits.kit import Kit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jackfield.ports.scheduler import Scheduler, StepPlan

LOOKS_GROWTH: Final = 3
"""How much more a scheduler may look at when there are twice as many sequences: sorting grows little faster than twice,
comparing everybody with everybody grows four times."""

PATIENCE: Final = 50
"""Empty plans in a row, with sequences there, after which a scheduler counts as stuck."""

_kit_settings: Final = settings(
    deadline=None,  # the engine played here is ours, and a busy machine is nobody's fault
    max_examples=150,
    report_multiple_bugs=False,  # one cause breaks many rules; the first is enough to go on
    suppress_health_check=[HealthCheck.differing_executors],  # every plugin's test class runs the same inherited test
)


@dataclass(frozen=True)
class Job:
    """One request, as the kit plays it."""

    arrives: int
    """Step before which it is queued."""
    prompt: int
    """Tokens of the prompt; at least 1."""
    answer: int
    """Tokens that are drawn before it ends; at least 1."""

    @property
    def room(self) -> int:
        """Tokens of prompt and answer: what the engine's intake holds against the context, which the pool can hold."""
        return self.prompt + self.answer


@dataclass(frozen=True)
class Pool:
    """What the played worker has."""

    slots: int
    cells: int
    """At least the ``room`` of every job, as the engine's intake guarantees."""
    step_tokens: int


@dataclass(frozen=True)
class PlayedSequence:
    """A ``SequenceView``."""

    id: int
    pending: int
    computed: int
    arrived: float


class WatchedSequence:
    """A ``SequenceView`` that counts how often it is looked at."""

    def __init__(self, id_: int, pending: int, computed: int, arrived: float, looks: Iterator[int]) -> None:
        self._id = id_
        self._pending = pending
        self._computed = computed
        self._arrived = arrived
        self._looks = looks

    @property
    def id(self) -> int:
        next(self._looks)
        return self._id

    @property
    def pending(self) -> int:
        next(self._looks)
        return self._pending

    @property
    def computed(self) -> int:
        next(self._looks)
        return self._computed

    @property
    def arrived(self) -> float:
        next(self._looks)
        return self._arrived


class BrokenRule(AssertionError):
    """A plan broke a rule of ``StepPlan``."""


@dataclass
class PlayedEngine:
    """A worker's bookkeeping without a model."""

    pool: Pool
    jobs: Sequence[Job]

    def __post_init__(self) -> None:
        self.step = 0
        self.waiting: list[PlayedSequence] = []
        self.running: list[PlayedSequence] = []
        self.drawn: dict[int, int] = {}
        self.finished: list[int] = []
        self.first_steps: dict[int, int] = {}
        self._arrive()

    @property
    def view(self) -> SchedulerView:
        """What the scheduler sees now."""
        return SchedulerView(
            now=float(self.step),
            waiting=list(self.waiting),
            running=list(self.running),
            free_slots=self.pool.slots - len(self.running),
            free_tokens=self.pool.cells - sum(sequence.computed for sequence in self.running),
            max_tokens=self.pool.step_tokens,
        )

    @property
    def idle(self) -> bool:
        """Whether every job has ended."""
        return len(self.finished) == len(self.jobs)

    def play(self, plan: StepPlan) -> None:
        """Check *plan*, do what it says, and let the next jobs arrive.

        Raises:
            BrokenRule: The plan is not one the engine could do.
        """
        view = self.view
        check_plan(view, plan)
        self._preempt(set(plan.preempt))
        for chunk in plan.chunks:
            self._start(chunk.id)
        tokens = {chunk.id: chunk.tokens for chunk in plan.chunks}
        self.running = [
            survivor
            for sequence in self.running
            if (survivor := self._compute(sequence, tokens.get(sequence.id, 0))) is not None
        ]
        self.step += 1
        self._arrive()

    def _arrive(self) -> None:
        known = len(self.drawn)
        for id_, job in enumerate(self.jobs[known:], known):
            if job.arrives > self.step and (self.waiting or self.running):
                return
            self.drawn[id_] = 0
            self.waiting.append(PlayedSequence(id_, job.prompt, 0, float(self.step)))

    def _preempt(self, victims: set[int]) -> None:
        lost = [replace(s, pending=s.pending + s.computed, computed=0) for s in self.running if s.id in victims]
        self.running = [sequence for sequence in self.running if sequence.id not in victims]
        self.waiting = sorted([*self.waiting, *lost], key=lambda sequence: sequence.id)

    def _start(self, id_: int) -> None:
        started = [sequence for sequence in self.waiting if sequence.id == id_]
        self.waiting = [sequence for sequence in self.waiting if sequence.id != id_]
        self.running += started
        if started:
            self.first_steps.setdefault(id_, self.step)

    def _compute(self, sequence: PlayedSequence, tokens: int) -> PlayedSequence | None:
        after = replace(sequence, pending=sequence.pending - tokens, computed=sequence.computed + tokens)
        if after.pending:
            return after
        self.drawn[sequence.id] += 1
        if self.drawn[sequence.id] < self.jobs[sequence.id].answer:
            return replace(after, pending=1)
        self.finished.append(sequence.id)
        return None


def check_plan(view: SchedulerView, plan: StepPlan) -> None:
    """Hold *plan* against every rule of ``StepPlan``.

    Raises:
        BrokenRule: Which rule, and the numbers.
    """
    running = {sequence.id: sequence for sequence in view.running}
    known = running | {sequence.id: sequence for sequence in view.waiting}
    ids = [chunk.id for chunk in plan.chunks]
    _rule(len(set(ids)) == len(ids), f"two chunks of one sequence: {ids}")
    _rule(set(ids) <= known.keys(), f"a chunk of a sequence that is not there: {sorted(set(ids) - known.keys())}")
    _rule(len(set(plan.preempt)) == len(plan.preempt), f"preempted twice: {plan.preempt}")
    _rule(set(plan.preempt) <= running.keys(), f"preempts what does not run: {plan.preempt}")
    _rule(not set(plan.preempt) & set(ids), f"preempts and computes: {sorted(set(plan.preempt) & set(ids))}")
    for chunk in plan.chunks:
        pending = known[chunk.id].pending
        _rule(1 <= chunk.tokens <= pending, f"{chunk.tokens} tokens of {chunk.id}, which has {pending} pending")
    total = sum(chunk.tokens for chunk in plan.chunks)
    cells = view.free_tokens + sum(running[id_].computed for id_ in plan.preempt)
    starts = len(set(ids) - running.keys())
    slots = view.free_slots + len(plan.preempt)
    _rule(total <= view.max_tokens, f"{total} tokens in a step of {view.max_tokens}")
    _rule(total <= cells, f"{total} tokens into {cells} free cells")
    _rule(starts <= slots, f"{starts} new sequences into {slots} free slots")


@st.composite
def workloads(draw: st.DrawFn) -> tuple[Pool, list[Job]]:
    """Any worker with any jobs that fit it: crowded slots, short cells and tiny steps included."""
    jobs = draw(
        st.lists(
            st.builds(Job, arrives=st.integers(0, 40), prompt=st.integers(1, 60), answer=st.integers(1, 25)),
            min_size=1,
            max_size=12,
        )
    )
    largest = max(job.room for job in jobs)
    pool = Pool(
        slots=draw(st.integers(1, 6)),
        cells=largest + draw(st.integers(0, 80)),
        step_tokens=draw(st.integers(1, 32)),
    )
    return pool, sorted(jobs, key=lambda job: job.arrives)


class SchedulerKit(Kit):
    """Subclass it as ``Test…`` and say which plugin it is about, or how the scheduler is made."""

    def scheduler(self) -> Scheduler:
        """A new scheduler."""
        scheduler: Scheduler = self.made(Kernel.schedulers)()
        return scheduler

    @given(workloads())
    @_kit_settings
    def test_every_plan_can_be_done_and_every_request_ends(self, workload: tuple[Pool, list[Job]]) -> None:
        """Plans obey ``StepPlan``, whatever arrives; nobody waits for ever, also when cells are short."""
        pool, jobs = workload
        engine = PlayedEngine(pool, jobs)
        scheduler = self.scheduler()
        # job after job takes this many steps; recomputing after each preemption may cost as much again per rival
        alone = sum(-(-job.prompt // pool.step_tokens) + job.answer for job in jobs)
        empty = 0
        for _ in range(2 * alone * (len(jobs) + 1) + jobs[-1].arrives):
            if engine.idle:
                return
            plan = scheduler.plan(engine.view)
            engine.play(plan)
            empty = 0 if plan.chunks else empty + 1
            assert empty < PATIENCE, f"stuck: waiting {engine.waiting}, running {engine.running}"
        raise AssertionError(f"no end: waiting {engine.waiting}, running {engine.running}, of {jobs} in {pool}")

    @given(workloads())
    @_kit_settings
    def test_a_plan_depends_on_the_view_alone(self, workload: tuple[Pool, list[Job]]) -> None:
        """The same view gives the same plan, from the same object and from a new one, and is left as it was."""
        engine = PlayedEngine(*workload)
        scheduler = self.scheduler()
        for _ in range(60):
            if engine.idle:
                return
            view = engine.view
            plan = scheduler.plan(view)
            assert view == engine.view, "the view was changed"
            assert scheduler.plan(engine.view) == plan, "asked again, it planned something else"
            assert self.scheduler().plan(engine.view) == plan, "a new scheduler planned something else"
            engine.play(plan)

    def test_nothing_to_do_gives_an_empty_plan(self) -> None:
        """Without sequences there is nothing to compute and nobody to preempt."""
        plan = self.scheduler().plan(PlayedEngine(Pool(slots=2, cells=64, step_tokens=16), []).view)
        assert not plan.chunks
        assert not plan.preempt

    def test_a_free_worker_starts_at_once(self) -> None:
        """A request that meets an idle worker is computed in the very next step."""
        engine = PlayedEngine(Pool(slots=2, cells=64, step_tokens=16), [Job(arrives=0, prompt=8, answer=1)])
        engine.play(self.scheduler().plan(engine.view))
        assert engine.first_steps == {0: 0}

    def test_answers_go_on_while_a_long_prompt_comes_in(self) -> None:
        """A prompt of many steps does not stall a running answer: it gets its token in (nearly) every step."""
        jobs = [Job(arrives=0, prompt=1, answer=40), Job(arrives=2, prompt=400, answer=1)]
        engine = PlayedEngine(Pool(slots=2, cells=1024, step_tokens=16), jobs)
        scheduler = self.scheduler()
        for _ in range(30):
            engine.play(scheduler.plan(engine.view))
        assert engine.drawn[0] >= 25

    def test_answers_share_their_steps(self) -> None:
        """Running answers advance together, not one after the other."""
        jobs = [Job(arrives=0, prompt=1, answer=20)] * 4
        engine = PlayedEngine(Pool(slots=4, cells=1024, step_tokens=16), jobs)
        scheduler = self.scheduler()
        for _ in range(15):
            engine.play(scheduler.plan(engine.view))
        assert min(engine.drawn.values()) >= 10

    def test_cells_that_run_short_make_room_for_somebody(self) -> None:
        """When every running sequence needs a cell and none is free, some give way and the others go on."""
        stuck = [PlayedSequence(id_, pending=1, computed=16, arrived=0.0) for id_ in range(4)]
        view = SchedulerView(1.0, waiting=[], running=stuck, free_slots=0, free_tokens=0, max_tokens=32)
        plan = self.scheduler().plan(view)
        check_plan(view, plan)
        assert plan.preempt
        assert plan.chunks

    def test_newcomers_starve_nobody(self) -> None:
        """A large request ends although small ones keep arriving faster than they can be served."""
        jobs = [Job(0, 4, 4), Job(0, 4, 4), Job(1, 40, 8), *(Job(step, 4, 4) for step in range(1, 400))]
        engine = PlayedEngine(Pool(slots=2, cells=64, step_tokens=16), jobs)
        scheduler = self.scheduler()
        for _ in range(300):
            engine.play(scheduler.plan(engine.view))
        assert 2 in engine.finished, f"after 300 steps it still waits; {len(engine.finished)} others have ended"

    def test_a_plan_for_a_full_house_costs_little(self) -> None:
        """Twice the sequences cost about twice the work: a plan holds up every running answer."""
        assert self._looks(256) <= LOOKS_GROWTH * self._looks(128)

    def _looks(self, many: int) -> int:
        """How often a plan for *many* running and as many waiting sequences reads what they say of themselves."""
        counter = count()
        running = [WatchedSequence(id_, 1, 100, 0.0, counter) for id_ in range(many)]
        waiting = [WatchedSequence(id_, 1, 0, 1.0, counter) for id_ in range(many, 2 * many)]
        view = SchedulerView(2.0, waiting, running, free_slots=many, free_tokens=64 * many, max_tokens=8 * many)
        self.scheduler().plan(view)
        return next(counter)


def _rule(kept: object, broken: str) -> None:
    if not kept:
        raise BrokenRule(broken)
