"""What a plan costs however many wait, and that what is kept from step to step is right and goes again."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.ports.scheduler import SchedulerView
from jackfield.simulation.engine import Pool
from jackfield.simulation.trace import TracedRequest
from jackfield.testing.kits.scheduler import Seen, WatchedSequence, many_requests
from jackfield_fair.changes import changes
from jackfield_fair.config import FairConfig
from jackfield_fair.scheduler import FairScheduler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.plugins.jackfield_fair.conftest import Played

SLICE = 10


def watched(numbers: range, tenants: int, looks: Iterator[int], generated: int = 0) -> list[WatchedSequence]:
    """As many sequences, of so many tenants in turn."""
    return [
        WatchedSequence(
            Seen(id_, 1, 50, 50, generated, f"t{id_ % tenants}")
            if generated
            else Seen(id_, 9, tenant=f"t{id_ % tenants}"),
            looks,
        )
        for id_ in numbers
    ]


@pytest.mark.parametrize("tenants", [10, 1000])
def test_a_plan_looks_at_who_came_and_not_at_who_waits(tenants: int) -> None:
    """With ten thousand in the queue, some come and some are cancelled: only those are looked at."""
    looks = count()
    running = watched(range(8), tenants, looks, generated=5)
    waiting = watched(range(8, 10_008), tenants, looks)
    scheduler = FairScheduler(FairConfig())
    view = SchedulerView(1.0, waiting, running, free_slots=0, free_tokens=100_000, max_tokens=512)
    scheduler.plan(view)
    coming = watched(range(10_008, 10_028), tenants, looks)
    changed = [*waiting[:50], *waiting[51:7000], *waiting[7010:], *coming]
    before = next(looks)
    plan = scheduler.plan(view._replace(now=2.0, waiting=changed, free_slots=4))
    assert len([chunk for chunk in plan.chunks if chunk.id >= 8]) == 4
    assert next(looks) - before < 1000


def test_many_that_take_slots_cost_little_each() -> None:
    """Where all slots change hands at once, not everybody is compared with everybody."""

    def looks_for(many: int) -> int:
        looks = count()
        scheduler = FairScheduler(FairConfig(slice_tokens=SLICE, step_ms=0))
        view = SchedulerView(1.0, [], [], free_slots=0, free_tokens=100_000, max_tokens=50_000)
        running: list[WatchedSequence] = []
        for step in range(SLICE + 2):
            running = watched(range(many), 1, looks, generated=1 + step)
            scheduler.plan(view._replace(now=1.0 + step, running=running))
        waiting = [WatchedSequence(Seen(number, 9, tenant=f"other{number}"), looks) for number in range(many, 2 * many)]
        before = next(looks)
        plan = scheduler.plan(view._replace(now=100.0, running=running, waiting=waiting))
        assert len(plan.preempt) == many
        return next(looks) - before

    assert looks_for(128) < 3 * looks_for(64)


@given(st.sets(st.integers(0, 300)), st.sets(st.integers(0, 300)), st.sampled_from([1, 0]))
@settings(max_examples=300, deadline=None)
def test_changes_of_a_queue(before: set[int], after: set[int], pending: int) -> None:
    """Who left and who came, in order, also where those that stayed are other objects or have changed."""
    old = {number: Seen(number, 1) for number in before}
    now = [old.get(number, Seen(number, 1))._replace(pending=1 + pending * (number % 3)) for number in sorted(after)]
    found = changes([old[number] for number in sorted(before)], now)
    assert [each.id for each in found.left] == sorted(before - after)
    assert [each.id for each in found.entered] == sorted(after - before)


@given(st.integers(0, 1000))
@settings(max_examples=5, deadline=None)
def test_what_is_remembered_does_not_grow(play: type[Played], seed: int) -> None:
    """Also in a worker that is never idle, and whose lines age, it stays in proportion to who is there."""
    played = play(many_requests(1500, seed), FairConfig(ageing_s=0.05, slice_tokens=3), Pool(3, 400, 64))
    while not played.engine.idle:
        played.step()
        there = len(played.engine.running) + len(played.engine.waiting)
        assert played.scheduler.remembered <= 400 + 12 * there


def test_age_counts_in_a_crowd_of_lines(play: type[Played]) -> None:
    """Where there are more lines than a step looks at, the aged come in, if some steps later."""
    urgent = [
        TracedRequest(arrival_s=0.2 * n, prompt_tokens=10, output_tokens=3, tenant="urgent", priority=-20)
        for n in range(2000)
    ]
    crowd = [
        TracedRequest(arrival_s=1, prompt_tokens=10, output_tokens=3, tenant=f"t{n}", priority=5) for n in range(200)
    ]
    played = play([*urgent, *crowd], FairConfig(ageing_s=0.5), Pool(1, 4000, 64))
    most = 0
    while not any(sequence.priority == 5 for sequence in played.engine.finished):
        played.step()
        most = max(most, played.scheduler.remembered)
    assert most <= 8 * len(crowd)  # and what they were before they aged is forgotten
    assert any(sequence.priority == -20 for sequence in played.engine.waiting)
    assert played.engine.now <= 1 + 25 * 0.5 + 2
