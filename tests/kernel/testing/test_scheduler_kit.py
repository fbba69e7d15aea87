"""The scheduler kit itself: it passes a correct scheduler and catches each kind of wrong one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jackfield.ports.scheduler import Chunk, SchedulerView, StepPlan
from jackfield.simulation.rules import BrokenRule, check_plan
from jackfield.testing.kits.scheduler import SchedulerKit, Seen

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.ports.scheduler import Scheduler


class OneByOne:
    """The simplest correct scheduler but for its answers' pace: whoever came first has the worker for itself."""

    def plan(self, view: SchedulerView) -> StepPlan:
        first = min([*view.running, *view.waiting], key=lambda sequence: sequence.id, default=None)
        if first is None:
            return StepPlan([])
        others = [sequence for sequence in view.running if sequence is not first]
        cells = view.free_tokens + sum(sequence.cells for sequence in others)
        if first not in view.running:
            cells -= first.cells
        return StepPlan(
            [Chunk(first.id, min(first.pending, view.max_tokens, cells))], [sequence.id for sequence in others]
        )


class Lazy(OneByOne):
    """Never plans anything."""

    def plan(self, view: SchedulerView) -> StepPlan:
        return StepPlan([])


class Greedy(OneByOne):
    """Computes all of everybody."""

    def plan(self, view: SchedulerView) -> StepPlan:
        return StepPlan([Chunk(sequence.id, sequence.pending) for sequence in [*view.running, *view.waiting]])


class Moody(OneByOne):
    """Plans nothing every other time it is asked."""

    def __init__(self) -> None:
        self._asked = 0

    def plan(self, view: SchedulerView) -> StepPlan:
        self._asked += 1
        return super().plan(view) if self._asked % 2 else StepPlan([])


class Forgetful(OneByOne):
    """Takes what is found cached for free."""

    def plan(self, view: SchedulerView) -> StepPlan:
        first = min([*view.running, *view.waiting], key=lambda sequence: sequence.id, default=None)
        if first is None or view.running:
            return super().plan(view)
        return StepPlan([Chunk(first.id, min(first.pending, view.max_tokens, view.free_tokens))])


class Snobbish(OneByOne):
    """Serves whoever came last, and throws out whoever runs."""

    def plan(self, view: SchedulerView) -> StepPlan:
        last = max([*view.running, *view.waiting], key=lambda sequence: sequence.id, default=None)
        if last is None:
            return StepPlan([])
        others = [sequence for sequence in view.running if sequence is not last]
        return StepPlan([Chunk(last.id, 1)], [sequence.id for sequence in others])


class Strict(OneByOne):
    """Serves whoever is most urgent, and nobody else while there is one."""

    def plan(self, view: SchedulerView) -> StepPlan:
        if view.running:
            return super().plan(view._replace(waiting=[]))
        most = min((sequence.priority for sequence in view.waiting), default=0)
        return super().plan(view._replace(waiting=[one for one in view.waiting if one.priority == most]))


class PromptsFirst(OneByOne):
    """Serves whoever has most to compute."""

    def plan(self, view: SchedulerView) -> StepPlan:
        everybody = [*view.running, *view.waiting]
        if not everybody:
            return StepPlan([])
        longest = max(everybody, key=lambda sequence: sequence.pending)
        return StepPlan([Chunk(longest.id, min(longest.pending, view.max_tokens))])


class Meddling(OneByOne):
    """Reorders the queue it was only shown."""

    def plan(self, view: SchedulerView) -> StepPlan:
        plan = super().plan(view)
        assert isinstance(view.waiting, list)
        view.waiting.reverse()
        return plan


class Nosy(OneByOne):
    """Compares everybody with everybody."""

    def plan(self, view: SchedulerView) -> StepPlan:
        everybody = [*view.running, *view.waiting]
        ranks = {sum(other.id < one.id for other in everybody): one for one in everybody}
        return StepPlan([Chunk(ranks[0].id, 1)])


def kit_for(make: Callable[[], Scheduler]) -> SchedulerKit:
    class Bound(SchedulerKit):
        def scheduler(self) -> Scheduler:
            return make()

    return Bound()


ENDS = SchedulerKit.test_every_plan_can_be_done_and_every_request_ends
PURE = SchedulerKit.test_plans_depend_on_the_views_alone
URGENT = SchedulerKit.test_the_more_urgent_starve_nobody
CHEAP = SchedulerKit.test_a_plan_for_a_full_house_costs_little


@pytest.mark.parametrize("check", [ENDS, PURE, SchedulerKit.test_newcomers_starve_nobody, URGENT, CHEAP])
def test_a_correct_scheduler_passes(check: Callable[[SchedulerKit], None]) -> None:
    """The kit asks nothing that a correct scheduler cannot do."""
    check(kit_for(OneByOne))


@pytest.mark.parametrize(
    ("make", "check"),
    [
        pytest.param(Lazy, ENDS, id="never plans"),
        pytest.param(Greedy, ENDS, id="ignores the budget"),
        pytest.param(Moody, PURE, id="has moods"),
        pytest.param(Meddling, PURE, id="changes the view"),
        pytest.param(Snobbish, SchedulerKit.test_newcomers_starve_nobody, id="last come, first served"),
        pytest.param(Strict, URGENT, id="the most urgent only"),
        pytest.param(Lazy, SchedulerKit.test_a_free_worker_starts_at_once, id="leaves an idle worker idle"),
        pytest.param(PromptsFirst, SchedulerKit.test_answers_go_on_while_a_long_prompt_comes_in, id="prompts first"),
        pytest.param(OneByOne, SchedulerKit.test_answers_share_their_steps, id="never batches"),
        pytest.param(Lazy, SchedulerKit.test_cells_that_run_short_make_room_for_somebody, id="never preempts"),
        pytest.param(Nosy, CHEAP, id="quadratic"),
    ],
)
def test_a_wrong_scheduler_is_caught(
    make: Callable[[], Scheduler], check: Callable[[SchedulerKit], None], unshrunk: Callable[[type], None]
) -> None:
    """Each promise of the port has a scheduler that breaks it, and the kit says so."""
    unshrunk(SchedulerKit)
    with pytest.raises(AssertionError):
        check(kit_for(make))


VIEW = SchedulerView(
    now=1.0,
    waiting=[Seen(3, 10, arrived=0.5), Seen(4, 2, 8, cells=8, arrived=0.6)],
    running=[Seen(1, 1, 8, cells=8), Seen(2, 1, 8, cells=4)],
    free_slots=0,
    free_tokens=4,
    max_tokens=6,
)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        pytest.param(StepPlan([Chunk(1, 1), Chunk(1, 1)]), "two chunks", id="two chunks of one"),
        pytest.param(StepPlan([Chunk(9, 1)]), "not there", id="unknown sequence"),
        pytest.param(StepPlan([Chunk(1, 0)]), "0 tokens of 1", id="empty chunk"),
        pytest.param(StepPlan([Chunk(1, 2)]), "1 pending", id="more than pending"),
        pytest.param(StepPlan([Chunk(1, 1)], [1]), "preempts and computes", id="preempted and computed"),
        pytest.param(StepPlan([], [3]), "does not run", id="preempts a waiting one"),
        pytest.param(StepPlan([], [1, 1]), "twice", id="preempted twice"),
        pytest.param(StepPlan([Chunk(3, 1)]), "0 free slots", id="no slot"),
        pytest.param(StepPlan([Chunk(3, 7)], [1]), "step of 6", id="over the step"),
        pytest.param(StepPlan([Chunk(1, 1), Chunk(3, 5)], [2]), "", id="legal"),
    ],
)
def test_each_rule_of_a_plan(plan: StepPlan, message: str) -> None:
    """Every rule that ``StepPlan`` states is checked by name."""
    if not message:
        check_plan(VIEW, plan)
        return
    with pytest.raises(BrokenRule, match=message):
        check_plan(VIEW, plan)


def test_cells_are_counted() -> None:
    """A plan may use the free cells and those it takes back, no more; what others share does not come back."""
    plan = StepPlan([Chunk(1, 1), Chunk(2, 1)])
    with pytest.raises(BrokenRule, match="2 tokens and 0 cells of those that start into 1 free cells"):
        check_plan(VIEW._replace(free_tokens=1), plan)
    with pytest.raises(BrokenRule, match="1 tokens and 8 cells of those that start into 8 free cells"):
        check_plan(VIEW, StepPlan([Chunk(4, 1)], [2]))
    check_plan(VIEW._replace(free_tokens=5), StepPlan([Chunk(4, 1)], [2]))
