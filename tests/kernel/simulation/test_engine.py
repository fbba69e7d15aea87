"""The simulated engine: time, cells, prefixes, and what becomes of plans."""

from __future__ import annotations

import pytest

from jackfield.errors import PluginError
from jackfield.ports.scheduler import Chunk, SchedulerView, StepPlan
from jackfield.simulation.engine import REPLAN_S, Costs, Pool, SimulatedEngine
from jackfield.simulation.figures import figures_of
from jackfield.simulation.replay import Replay
from jackfield.simulation.rules import BrokenRule
from jackfield.simulation.trace import TracedRequest, TraceError

COSTS = Costs(step_s=0.1, row_s=0.01, token_s=0.001)


def request(arrival_s: float, prompt: int, answer: int, prefix: int = 0, tenant: str = "") -> TracedRequest:
    return TracedRequest(
        arrival_s=arrival_s,
        prompt_tokens=prompt,
        output_tokens=answer,
        prefix="p" if prefix else "",
        prefix_tokens=prefix,
        tenant=tenant,
    )


def plan(*chunks: tuple[int, int], preempt: tuple[int, ...] = ()) -> StepPlan:
    return StepPlan([Chunk(*chunk) for chunk in chunks], preempt)


def test_the_clock_runs_as_steps_take() -> None:
    """A step, its prompt tokens, its answers; and it does not wait for what comes when there is nothing to do."""
    engine = SimulatedEngine(Pool(2, 100, 50), COSTS, [request(5, 20, 2), request(5.13, 10, 1)])
    assert engine.view.now == 5
    engine.play(plan((0, 20)))
    assert engine.now == pytest.approx(5.12)
    assert not engine.waiting
    engine.play(plan((0, 1)))
    assert engine.now == pytest.approx(5.23)
    (first,) = engine.finished
    assert first.ttft_s == pytest.approx(0.12)
    assert first.gaps_s == [pytest.approx(0.11)]
    engine.play(plan())
    assert engine.now == pytest.approx(5.23 + REPLAN_S)
    engine.play(plan((1, 10)))
    assert engine.idle


def test_a_prefix_is_computed_once_and_held_once() -> None:
    """Who begins like another that is being computed waits for it; then it has that for nothing."""
    engine = SimulatedEngine(Pool(3, 100, 50), COSTS, [request(0, 30, 9, 20), request(0, 25, 9, 20)])
    engine.play(plan((0, 15), (1, 25)))
    assert [sequence.id for sequence in engine.running] == [0]
    engine.play(plan((0, 15), (1, 10)))
    assert [sequence.id for sequence in engine.waiting] == [1]
    second = engine.waiting[0]
    assert (second.pending, second.computed, second.cells) == (5, 20, 0)
    engine.play(plan((0, 1), (1, 5)))
    assert engine.cells == 31 + 25 - 20
    assert [sequence.cells for sequence in engine.running] == [11, 5]
    assert [sequence.served for sequence in engine.running] == [33, 6]


def test_a_preempted_one_keeps_what_it_drew_and_its_prefix() -> None:
    """The rest is computed anew, and counts for nothing."""
    engine = SimulatedEngine(Pool(1, 100, 50), COSTS, [request(0, 30, 9, 20)])
    engine.play(plan((0, 30)))
    engine.play(plan((0, 1)))
    engine.play(plan(preempt=(0,)))
    (waiting,) = engine.waiting
    assert (waiting.pending, waiting.computed, waiting.cells, waiting.generated) == (12, 20, 20, 2)
    served = waiting.served
    engine.play(plan((0, 12)))
    assert waiting.served == served + 2
    assert waiting.preemptions == 1


def test_a_plan_that_breaks_a_rule_is_refused() -> None:
    """By name, and nothing has changed."""
    engine = SimulatedEngine(Pool(1, 100, 50), COSTS, [request(0, 30, 9)])
    with pytest.raises(BrokenRule, match="31 tokens of 0"):
        engine.play(plan((0, 31)))
    assert engine.waiting
    assert engine.now == 0


class Stubborn:
    """Plans the same for ever."""

    def __init__(self, chunks: StepPlan) -> None:
        self._chunks = chunks

    def plan(self, view: SchedulerView) -> StepPlan:
        return self._chunks


class InTurn:
    """Serves one after another."""

    def plan(self, view: SchedulerView) -> StepPlan:
        first = (*view.running, *view.waiting)[0]
        return StepPlan([Chunk(first.id, min(first.pending, view.max_tokens))])


@pytest.mark.parametrize(
    ("chunks", "message"), [(plan(), "nothing was computed in 1000 steps"), (plan((7, 1)), "breaks a rule")]
)
def test_a_scheduler_that_fails_is_named(chunks: StepPlan, message: str) -> None:
    """In the words of its port."""
    replay = Replay("mine", Stubborn(chunks), Pool(1, 100, 50), COSTS, [request(0, 30, 9)])
    with pytest.raises(PluginError, match=f"scheduler mine: .*{message}"):
        replay.run(lambda ended: None)


def test_a_request_that_can_never_fit_is_refused() -> None:
    """At once."""
    with pytest.raises(TraceError, match="39 tokens does not fit into 38"):
        Replay("mine", InTurn(), Pool(1, 38, 50), COSTS, [request(0, 30, 9)])


def test_figures_are_told_by_class() -> None:
    """Latency of each, and shares of what was served while several tenants waited."""
    trace = [request(0, 10, 1, tenant="a"), request(0, 10, 1, tenant="a"), request(0, 20, 2, tenant="b")]
    replay = Replay("mine", InTurn(), Pool(1, 100, 50), COSTS, trace)
    ended: list[int] = []
    replay.run(ended.append)
    figures = figures_of("mine", replay)
    first, second = figures.classes
    assert sum(ended) == 3
    assert (first.tenant, first.requests, second.tenant, second.requests) == ("a", 2, "b", 1)
    assert first.ttft_ms is not None
    assert second.itl_ms is not None
    assert first.ttft_ms.max == pytest.approx(220)
    assert second.itl_ms.p50 == pytest.approx(110)
    assert figures.shares == {"a": 1.0}
