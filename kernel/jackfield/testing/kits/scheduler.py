"""Conformance of schedulers: ``jackfield.ports.scheduler.Scheduler``.

The kit lets ``jackfield.simulation`` play the engine: it keeps sequences, slots and cells as plain numbers, asks the
scheduler for plans, and checks each plan against the rules of ``StepPlan``. Nothing is computed, so a whole life of a
worker takes milliseconds. A step takes a second, so that times are steps.
"""

from __future__ import annotations

from itertools import count
from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jackfield.plugins import Kernel
from jackfield.ports.scheduler import SchedulerView
from jackfield.simulation.engine import Costs, Pool, SimulatedEngine
from jackfield.simulation.rules import check_plan
from jackfield.simulation.trace import TracedRequest
from jackfield.testing.kits.kit import Kit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jackfield.ports.scheduler import Scheduler, SequenceView

LOOKS_GROWTH: Final = 3
"""How much more a scheduler may look at when there are twice as many sequences: sorting grows little faster than twice,
comparing everybody with everybody grows four times."""

BURST_SHARE: Final = 0.1
"""Of long pauses among the arrivals of a long life."""

PATIENCE: Final = 50
"""Empty plans in a row, with sequences there, after which a scheduler counts as stuck."""

STEPS: Final = Costs(step_s=1.0, row_s=0.0, token_s=0.0)

_kit_settings: Final = settings(
    deadline=None,  # the engine played here is ours, and a busy machine is nobody's fault
    max_examples=150,
    report_multiple_bugs=False,  # one cause breaks many rules; the first is enough to go on
    suppress_health_check=[HealthCheck.differing_executors],  # every plugin's test class runs the same inherited test
)


class SchedulerNeeds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the kit asks a scheduler's author."""

    patience_s: float = 1000.0
    """How long, in seconds of ``view.now``, more urgent requests may hold up one that is ten steps of priority less
    urgent. A scheduler that ignores priorities needs less."""


class Seen(NamedTuple):
    """A ``SequenceView`` as it is at one moment."""

    id: int
    pending: int
    computed: int = 0
    cells: int = 0
    generated: int = 0
    tenant: str = ""
    priority: int = 0
    arrived: float = 0.0

    @classmethod
    def of(cls, sequence: SequenceView) -> Seen:
        """All that *sequence* says of itself."""
        values = {name: getattr(sequence, name) for name in cls._fields}
        return cls(**values)


class WatchedSequence:
    """A ``SequenceView`` that counts how often it is looked at."""

    def __init__(self, seen: Seen, looks: Iterator[int]) -> None:
        self._seen = seen
        self._looks = looks

    @property
    def id(self) -> int:
        return self._look().id

    @property
    def pending(self) -> int:
        return self._look().pending

    @property
    def computed(self) -> int:
        return self._look().computed

    @property
    def cells(self) -> int:
        return self._look().cells

    @property
    def generated(self) -> int:
        return self._look().generated

    @property
    def tenant(self) -> str:
        return self._look().tenant

    @property
    def priority(self) -> int:
        return self._look().priority

    @property
    def arrived(self) -> float:
        return self._look().arrived

    def _look(self) -> Seen:
        next(self._looks)
        return self._seen


def asked(arrives: int, prompt: int, answer: int, *, tenant: str = "", priority: int = 0) -> TracedRequest:
    """A request that is queued before step *arrives*."""
    return TracedRequest(
        arrival_s=arrives, prompt_tokens=prompt, output_tokens=answer, tenant=tenant, priority=priority
    )


def frozen(view: SchedulerView) -> SchedulerView:
    """*view* with sequences that stay as they are."""
    return view._replace(waiting=[Seen.of(each) for each in view.waiting], running=[Seen.of(s) for s in view.running])


@st.composite
def requests(draw: st.DrawFn) -> TracedRequest:
    """One request: anybody's, as urgent as it likes, with or without a prefix that others have too."""
    prompt = draw(st.integers(1, 60))
    prefix = draw(st.sampled_from(["", "", "one", "two"]))
    length = {"": 0, "one": 5, "two": 20}[prefix]
    return TracedRequest(
        arrival_s=draw(st.integers(0, 40)),
        prompt_tokens=max(prompt, length),
        output_tokens=draw(st.integers(1, 25)),
        tenant=draw(st.sampled_from(["", "a", "b"])),
        priority=draw(st.sampled_from([0, 0, -100, 7, 100])),
        prefix=prefix,
        prefix_tokens=length,
    )


@st.composite
def workloads(draw: st.DrawFn) -> tuple[Pool, Costs, list[TracedRequest]]:
    """Any worker with any requests that fit it: crowded slots, short cells and tiny steps included."""
    trace = draw(st.lists(requests(), min_size=1, max_size=12))
    largest = max(request.tokens for request in trace)
    pool = Pool(
        slots=draw(st.integers(1, 6)),
        cells=largest + draw(st.integers(0, 80)),
        step_tokens=draw(st.integers(1, 32)),
    )
    costs = STEPS._replace(token_s=draw(st.sampled_from([0.0, 0.001, 1.0])))
    return pool, costs, sorted(trace, key=lambda request: request.arrival_s)


def many_requests(number: int, seed: int) -> list[TracedRequest]:
    """A long life of a worker: bursts and lulls, tenants and priorities, prefixes, short and long ones."""
    random = Random(seed)
    now = 0.0
    trace = []
    for _ in range(number):
        now += random.choice([0.0, 0.0, 1.0, 2.0, 60.0 * (random.random() < BURST_SHARE)])
        prefix, length = random.choice([("", 0), ("", 0), ("one", 5), ("two", 20)])
        trace.append(
            TracedRequest(
                arrival_s=now,
                prompt_tokens=length + random.choice([1, 5, 40]),
                output_tokens=random.choice([1, 4, 12]),
                tenant=random.choice("abc"),
                priority=random.choice([0, 0, 0, -20, 30]),
                prefix=prefix,
                prefix_tokens=length,
            )
        )
    return trace


def play_to_the_end(scheduler: Scheduler, engine: SimulatedEngine) -> None:
    """Ask for plans until nothing runs or waits, and once more then.

    Raises:
        BrokenRule: A plan was not one an engine could do.
        AssertionError: The scheduler got stuck.
    """
    empty = 0
    while not engine.idle:
        plan = scheduler.plan(engine.view)
        engine.play(plan)
        empty = 0 if plan.chunks else empty + 1
        assert empty < PATIENCE, f"stuck: {len(engine.waiting)} wait, running: {frozen(engine.view).running}"
    scheduler.plan(engine.view)


class SchedulerKit(Kit):
    """Subclass it as ``Test…`` and say which plugin it is about, or how the scheduler is made."""

    Needs = SchedulerNeeds

    def scheduler(self) -> Scheduler:
        """A new scheduler."""
        scheduler: Scheduler = self.made(Kernel.schedulers)()
        return scheduler

    @given(workloads())
    @_kit_settings
    def test_every_plan_can_be_done_and_every_request_ends(
        self, workload: tuple[Pool, Costs, list[TracedRequest]]
    ) -> None:
        """Plans obey ``StepPlan``, whatever arrives; nobody waits for ever, also when cells are short."""
        pool, _, trace = workload
        engine = SimulatedEngine(*workload)
        scheduler = self.scheduler()
        # one token of one request a step; recomputing after each preemption may cost as much again per rival
        alone = sum(request.tokens for request in trace)
        empty = 0
        for _ in range(2 * alone * (len(trace) + 1)):
            if engine.idle:
                return
            plan = scheduler.plan(engine.view)
            engine.play(plan)
            empty = 0 if plan.chunks else empty + 1
            assert empty < PATIENCE, f"stuck: {frozen(engine.view)}"
        raise AssertionError(f"no end: {frozen(engine.view)}, of {trace} in {pool}")

    @given(st.integers(0, 2**32), st.integers(1, 8), st.integers(100, 1000), st.integers(8, 128))
    @settings(_kit_settings, max_examples=3)
    def test_a_long_life_goes_well(self, seed: int, slots: int, cells: int, step_tokens: int) -> None:
        """A thousand requests in any order: every plan can be done, and every request ends."""
        engine = SimulatedEngine(Pool(slots, cells, step_tokens), STEPS, many_requests(1000, seed))
        play_to_the_end(self.scheduler(), engine)
        assert len(engine.finished) == 1000

    @given(workloads())
    @_kit_settings
    def test_plans_depend_on_the_views_alone(self, workload: tuple[Pool, Costs, list[TracedRequest]]) -> None:
        """The same views give the same plans, from another scheduler and when asked twice, and stay as they were."""
        engine = SimulatedEngine(*workload)
        scheduler, other = self.scheduler(), self.scheduler()
        for _ in range(60):
            if engine.idle:
                return
            view, before = engine.view, frozen(engine.view)
            plan = scheduler.plan(view)
            assert frozen(view) == before, "the view was changed"
            assert scheduler.plan(view) == plan, "asked again, it planned something else"
            assert other.plan(before) == plan, "another scheduler planned something else from the same views"
            engine.play(plan)

    @given(workloads())
    @_kit_settings
    def test_one_that_takes_over_goes_on(self, workload: tuple[Pool, Costs, list[TracedRequest]]) -> None:
        """A new scheduler may meet a worker in the middle of its work: its options were changed."""
        engine = SimulatedEngine(*workload)
        for _ in range(60):
            if engine.idle:
                return
            engine.play(self.scheduler().plan(engine.view))

    def test_nothing_to_do_gives_an_empty_plan(self) -> None:
        """Without sequences there is nothing to compute and nobody to preempt."""
        plan = self.scheduler().plan(SimulatedEngine(Pool(2, 64, 16), STEPS, []).view)
        assert not plan.chunks
        assert not plan.preempt

    def test_a_free_worker_starts_at_once(self) -> None:
        """A request that meets an idle worker is computed in the very next step."""
        engine = SimulatedEngine(Pool(2, 64, 16), STEPS, [asked(0, 8, 1)])
        request = engine.waiting[0]
        engine.play(self.scheduler().plan(engine.view))
        assert request.started_s == 0.0

    def test_answers_go_on_while_a_long_prompt_comes_in(self) -> None:
        """A prompt of many steps does not stall a running answer: it gets its token in (nearly) every step."""
        engine = SimulatedEngine(Pool(2, 1024, 16), STEPS, [asked(0, 1, 40), asked(2, 400, 1)])
        answer = engine.waiting[0]
        self._play(engine, 30)
        assert answer.generated >= 25

    def test_answers_share_their_steps(self) -> None:
        """Running answers advance together, not one after the other."""
        engine = SimulatedEngine(Pool(4, 1024, 16), STEPS, [asked(0, 1, 20)] * 4)
        everybody = list(engine.waiting)
        self._play(engine, 15)
        assert min(answer.generated for answer in everybody) >= 10

    def test_cells_that_run_short_make_room_for_somebody(self) -> None:
        """When every running sequence needs a cell and none is free, some give way and the others go on."""
        stuck = [Seen(id_, pending=1, computed=16, cells=16, generated=8) for id_ in range(4)]
        view = SchedulerView(1.0, waiting=[], running=stuck, free_slots=0, free_tokens=0, max_tokens=32)
        plan = self.scheduler().plan(view)
        check_plan(view, plan)
        assert plan.preempt
        assert plan.chunks

    def test_newcomers_starve_nobody(self) -> None:
        """A large request ends although small ones keep arriving faster than they can be served."""
        trace = [asked(0, 4, 4), asked(0, 4, 4), asked(1, 40, 8), *(asked(step, 4, 4) for step in range(1, 400))]
        engine = SimulatedEngine(Pool(2, 64, 16), STEPS, trace)
        self._play(engine, 300)
        ended = {sequence.id for sequence in engine.finished}
        assert 2 in ended, f"after 300 steps it still waits; {len(ended)} others have ended"

    def test_the_more_urgent_starve_nobody(self) -> None:
        """A request ends in time although more urgent ones of its own and other tenants keep the worker busy."""
        patience_s = self._needs().patience_s
        urgent = [asked(step, 4, 4, tenant="ab"[step % 2]) for step in range(0, int(patience_s), 2)]
        trace = sorted([*urgent, asked(4, 8, 4, tenant="a", priority=10)], key=lambda request: request.arrival_s)
        engine = SimulatedEngine(Pool(1, 64, 16), STEPS, trace)
        self._play(engine, int(patience_s))
        late = [sequence for sequence in engine.waiting if sequence.priority]
        assert not late, f"after {engine.now:g} s it still waits; {len(engine.finished)} others have ended"

    def test_a_plan_for_a_full_house_costs_little(self) -> None:
        """Twice the sequences cost about twice the work: a plan holds up every running answer."""
        assert self._looks(256) <= LOOKS_GROWTH * self._looks(128)

    def _needs(self) -> SchedulerNeeds:
        return self.told(SchedulerNeeds)

    def _play(self, engine: SimulatedEngine, steps: int) -> None:
        scheduler = self.scheduler()
        for _ in range(steps):
            engine.play(scheduler.plan(engine.view))

    def _looks(self, many: int) -> int:
        """How often a plan for *many* running and as many waiting sequences reads what they say of themselves."""
        looks = count()
        running = self._watched([Seen(id_, 1, 100, 100, 9) for id_ in range(many)], looks)
        waiting = self._watched([Seen(id_, 1, tenant=str(id_ % 3)) for id_ in range(many, 2 * many)], looks)
        view = SchedulerView(2.0, waiting, running, free_slots=many, free_tokens=64 * many, max_tokens=8 * many)
        self.scheduler().plan(view)
        return next(looks)

    def _watched(self, seen: Sequence[Seen], looks: Iterator[int]) -> list[WatchedSequence]:
        return [WatchedSequence(each, looks) for each in seen]
