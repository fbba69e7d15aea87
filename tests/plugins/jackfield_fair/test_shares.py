"""What each tenant gets, while all of them want more than there is."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jackfield.ports.scheduler import SchedulerView
from jackfield.simulation.trace import TracedRequest
from jackfield.testing.kits.scheduler import Seen
from jackfield_fair.config import FairConfig
from jackfield_fair.scheduler import FairScheduler
from jackfield_fair.shares import Shares

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.plugins.jackfield_fair.conftest import Played

TOLERANCE: Final = 0.05
"""Of a share, while everybody is busy."""


def crowd(weights: Mapping[str, float], requests: int, seed: int) -> list[TracedRequest]:
    """Requests of all tenants, all there from the start; as many of each as its weight will have served."""
    draw = random.Random(seed)
    names = draw.choices(list(weights), list(weights.values()), k=requests)
    return [
        TracedRequest(arrival_s=0, prompt_tokens=draw.randint(1, 60), output_tokens=draw.randint(1, 40), tenant=name)
        for name in names
    ]


def assert_shares(play: type[Played], weights: Mapping[str, float], requests: int, seed: int) -> None:
    """Play until the first tenant has nobody waiting; then the end."""
    played = play(crowd(weights, requests, seed), FairConfig(weights=weights))
    engine = played.engine
    played.until(lambda: len({sequence.tenant for sequence in engine.waiting}) < len(weights))
    served, total = played.served, sum(weights.values())
    for tenant, weight in weights.items():
        assert served[tenant] / served.total() == pytest.approx(weight / total, rel=TOLERANCE)
    played.to_the_end()
    assert played.scheduler.remembered == 0


@given(st.dictionaries(st.sampled_from("abcd"), st.sampled_from([1.0, 2.0, 3.0]), min_size=2), st.integers(0, 1000))
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_shares_are_within_five_percent_of_the_weights(
    play: type[Played], weights: dict[str, float], seed: int
) -> None:
    """Whatever the weights are, and whoever asks for what."""
    assert_shares(play, weights, 1500, seed)


@pytest.mark.slow
def test_shares_hold_over_ten_thousand_arrivals(play: type[Played]) -> None:
    """Also where one has ten times as much as another."""
    assert_shares(play, {"a": 10, "b": 1, "c": 4}, 10_000, seed=1)


def test_a_tenant_that_asks_for_nothing_saves_nothing_up(play: type[Played]) -> None:
    """Who comes late shares from then on; it is not given what it did not ask for before."""
    early = [TracedRequest(arrival_s=0, prompt_tokens=20, output_tokens=20, tenant="early") for _ in range(600)]
    late = [TracedRequest(arrival_s=60, prompt_tokens=20, output_tokens=20, tenant="late") for _ in range(600)]
    played = play([*early, *late])
    played.until(lambda: played.engine.now >= 60)
    before = played.served
    assert before["early"] > 0
    played.until(lambda: played.engine.now >= 120)
    since = played.served - before
    assert since["late"] / since.total() == pytest.approx(0.5, rel=TOLERANCE)


def test_cached_and_repeated_work_is_not_charged(play: type[Played]) -> None:
    """Two tenants with the same answers get the same, also if one's prompts are mostly found cached."""
    plain = [TracedRequest(arrival_s=0, prompt_tokens=40, output_tokens=20, tenant="plain") for _ in range(400)]
    shared = [
        TracedRequest(
            arrival_s=0, prompt_tokens=540, output_tokens=20, tenant="shared", prefix="system", prefix_tokens=500
        )
        for _ in range(400)
    ]
    played = play([*plain, *shared])
    played.until(lambda: len({sequence.tenant for sequence in played.engine.waiting}) < 2)
    served = played.served
    assert served["shared"] / served.total() == pytest.approx(0.5, rel=TOLERANCE)


def test_counters_of_those_who_left_go_when_they_say_nothing_more() -> None:
    """However many tenants come and go, only those that matter are remembered."""
    shares = Shares({})
    shares.join("steady")
    for number in range(100):
        shares.join(str(number))
        shares.charge(str(number), 1)
        shares.charge("steady", 5)
        shares.leave(str(number))
        shares.run({"steady"})
    assert len(shares) <= 2


def test_a_prompt_that_ends_in_a_step_is_charged_its_tokens() -> None:
    """And not the room that its end takes from the step."""
    waiting = [Seen(0, 10, tenant="a"), Seen(1, 40, tenant="b"), Seen(2, 5, tenant="a"), Seen(3, 9, tenant="b")]
    view = SchedulerView(1.0, waiting, [], free_slots=9, free_tokens=1000, max_tokens=512, token_s=1 / 64)
    plan = FairScheduler(FairConfig(step_ms=1000)).plan(view)
    assert [chunk.id for chunk in plan.chunks] == [0, 1, 2, 3]
