"""Priorities: who goes first, who takes whose slot, and how long that may hold up anybody."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jackfield.ports.scheduler import SchedulerView
from jackfield.simulation.engine import Pool
from jackfield.simulation.trace import TracedRequest
from jackfield.testing.kits.scheduler import Seen
from jackfield_fair.config import FairConfig
from jackfield_fair.lines import PATIENCE
from jackfield_fair.scheduler import FairScheduler

if TYPE_CHECKING:
    from tests.plugins.jackfield_fair.conftest import Played


def asked(
    arrival_s: float, prompt: int, answer: int, *, tenant: str = "", priority: int = 0, times: int = 1
) -> list[TracedRequest]:
    """*times* the same."""
    request = TracedRequest(
        arrival_s=arrival_s, prompt_tokens=prompt, output_tokens=answer, tenant=tenant, priority=priority
    )
    return [request] * times


def test_the_most_urgent_start_first(play: type[Played]) -> None:
    """Of those that wait."""
    trace = [*asked(0, 10, 5), *asked(0, 10, 5, priority=5), *asked(0, 10, 5, priority=-5), *asked(0, 10, 5)]
    played = play(trace, pool=Pool(1, 1000, 64))
    played.to_the_end()
    assert [sequence.id for sequence in played.engine.finished] == [2, 0, 3, 1]


@pytest.mark.parametrize(("priority", "first"), [(-10, 4), (-9, 0)])
def test_a_much_more_urgent_one_takes_a_slot(play: type[Played], priority: int, first: int) -> None:
    """From ``urgent_steps`` on; a little more urgent is not worth what is computed anew."""
    trace = [*asked(0, 10, 100, times=4), *asked(1, 10, 5, priority=priority)]
    played = play(trace)
    played.to_the_end()
    assert played.engine.finished[0].id == first
    assert sum(sequence.preemptions for sequence in played.engine.finished) == (first == 4)


def test_who_gives_way_is_the_least_urgent_and_youngest(play: type[Played]) -> None:
    """It has the least claim, and least is lost."""
    trace = [*asked(0, 10, 100), *asked(0, 10, 100, priority=3, times=2), *asked(0, 10, 100)]
    played = play([*trace, *asked(1, 10, 5, priority=-50)])
    played.to_the_end()
    assert [sequence.id for sequence in played.engine.finished if sequence.preemptions] == [2]


def test_a_tenant_that_is_far_behind_gets_a_slot_after_a_slice(play: type[Played]) -> None:
    """Long answers of one tenant do not keep another out; each has drawn a slice before it gives way."""
    long = asked(0, 10, 2000, tenant="long", times=8)
    short = asked(5, 10, 10, tenant="short", times=5)
    played = play([*long, *short], FairConfig(slice_tokens=100), Pool(4, 20_000, 256))
    played.until(lambda: len(played.engine.finished) == 5)
    assert {sequence.tenant for sequence in played.engine.finished} == {"short"}
    given_way = [sequence for sequence in played.engine.waiting if sequence.preemptions]
    assert all(sequence.generated >= 100 for sequence in given_way)
    played.to_the_end()
    assert len(played.engine.finished) == 13


def test_slots_do_not_change_hands_more_often_than_slices_allow(play: type[Played]) -> None:
    """Each change is paid for by a slice of tokens."""
    trace = [*asked(0, 50, 600, tenant="a", times=6), *asked(0, 50, 600, tenant="b", times=6)]
    played = play(trace, FairConfig(slice_tokens=50), Pool(3, 20_000, 256))
    played.to_the_end()
    changes = sum(sequence.preemptions for sequence in played.engine.finished)
    assert changes <= 12 * 600 / 50


def test_a_long_prompt_waits_for_another_tenants_short_one(play: type[Played]) -> None:
    """Prompts are computed one after another, until one is a slice ahead."""
    trace = [*asked(0, 3000, 5, tenant="long"), *asked(0.01, 100, 5, tenant="short")]
    played = play(trace, pool=Pool(4, 10_000, 64))
    played.to_the_end()
    first, second = played.engine.finished
    assert first.tenant == "short"
    assert first.first_token_s is not None
    assert second.first_token_s is not None
    assert first.first_token_s < 2.0 < second.first_token_s


def test_prompts_of_one_tenant_are_not_interleaved(play: type[Played]) -> None:
    """The first one would only be later."""
    trace = asked(0, 500, 5, times=3)
    played = play(trace, pool=Pool(4, 10_000, 64))
    computing: list[int] = []
    while not played.engine.idle:
        computing += [sequence.id for sequence in played.engine.running if not sequence.generated and sequence.computed]
        played.step()
    assert computing == sorted(computing)


def test_one_that_comes_back_to_the_queue_late_is_served() -> None:
    """An engine may hold a sequence back, for its prefix or anything else, and show it again at its old place."""
    scheduler = FairScheduler(FairConfig())
    early, late = Seen(1, 10, tenant="a"), Seen(2, 10, tenant="a", arrived=1.0)

    def planned(now: float, waiting: list[Seen], running: list[Seen], slots: int) -> list[int]:
        view = SchedulerView(now, waiting, running, slots, free_tokens=1000, max_tokens=64)
        return [chunk.id for chunk in scheduler.plan(view).chunks]

    assert planned(1.0, [late], [], 1) == [2]
    assert planned(2.0, [early], [Seen(2, 1, 10, 10, 1, "a")], 0) == [2]
    assert planned(3.0, [], [Seen(2, 1, 11, 11, 2, "a")], 1) == [2]
    assert planned(4.0, [early], [Seen(2, 1, 12, 12, 3, "a")], 1) == [2, 1]


def test_a_sequence_that_was_cancelled_is_forgotten() -> None:
    """Also in the middle of a line, and while another arrives."""
    scheduler = FairScheduler(FairConfig())
    waiting = [Seen(number, 10) for number in range(5)]

    def view(now: float, waiting: list[Seen]) -> SchedulerView:
        return SchedulerView(now, waiting, [], free_slots=0, free_tokens=1000, max_tokens=64)

    scheduler.plan(view(1.0, waiting))
    scheduler.plan(view(2.0, [*waiting[:2], *waiting[3:], Seen(5, 10)]))
    plan = scheduler.plan(view(3.0, [*waiting[3:], Seen(5, 10)])._replace(free_slots=9))
    assert [chunk.id for chunk in plan.chunks] == [3, 4, 5]
    scheduler.plan(view(4.0, []))
    assert scheduler.remembered == 0


def bound(config: FairConfig, steps: int, answer: int, longest_s: float) -> float:
    """How long the README says that a request may take, in seconds, while others keep the worker busy."""
    turns = math.ceil(answer / config.slice_tokens)
    return turns * (steps * config.ageing_s + 2 * longest_s) + longest_s


@given(
    steps=st.integers(1, 100),
    ageing_s=st.sampled_from([0.1, 1.0]),
    slots=st.integers(1, 4),
    answer=st.integers(1, 60),
    prompt=st.integers(1, 300),
    tenants=st.sampled_from(["aa", "ab", "bb"]),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_nobody_waits_longer_than_the_bound(
    play: type[Played], steps: int, ageing_s: float, slots: int, answer: int, prompt: int, tenants: str
) -> None:
    """A request ends, however many more urgent ones come in, of whichever tenant."""
    config = FairConfig(ageing_s=ageing_s, slice_tokens=20)
    step_s = play.costs.step_s + slots * play.costs.row_s + play.pool.step_tokens * play.costs.token_s
    longest_s = step_s * (2 + max(answer, 20) + (prompt + answer) / 16)
    limit_s = bound(config, steps, answer, longest_s)
    urgent = [
        *asked(0, 20, 20, tenant=tenants[0], priority=-steps, times=slots),
        *(
            each
            for n in range(int(limit_s / 0.5))
            for each in asked(0.5 * n, 20, 20, tenant=tenants[n % 2], priority=-steps)
        ),
    ]
    played = play([*urgent, *asked(1.0, prompt, answer, tenant="a")], config, Pool(slots, 4000, 256))
    played.until(lambda: any(sequence.priority == 0 for sequence in played.engine.finished), 100_000)
    (late,) = (sequence for sequence in played.engine.finished if sequence.priority == 0)
    assert late.ended_s is not None
    assert late.ended_s - 1.0 <= limit_s


def test_who_was_served_more_for_what_was_urgent_does_not_starve(play: type[Played]) -> None:
    """Its other requests do not wait until all others have caught up."""
    config = FairConfig(ageing_s=1, slice_tokens=20, urgent_steps=201)
    urgent = asked(0, 10, 100, tenant="a", times=30)
    others = asked(0, 10, 100, tenant="b", priority=5, times=60)
    late = asked(120, 10, 100, tenant="a", priority=5)
    played = play([*urgent, *others, *late], config, Pool(2, 4000, 64))
    played.until(lambda: any(each.arrived >= late[0].arrival_s for each in played.engine.running))
    assert {sequence.priority for sequence in played.engine.waiting} == {5}
    waited = played.engine.now - late[0].arrival_s
    assert waited <= PATIENCE * config.ageing_s + 2 * config.slice_tokens * played.costs.step_s
