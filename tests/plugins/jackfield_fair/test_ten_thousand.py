"""Ten thousand random arrivals: what must hold in every step of a long, busy life."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from jackfield.simulation.engine import Pool
from jackfield.simulation.trace import TracedRequest
from jackfield_fair.config import FairConfig

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.plugins.jackfield_fair.conftest import Played

    from jackfield.simulation.sequence import SimulatedSequence

ARRIVALS: Final = 10_000
TOLERANCE: Final = 0.05
"""Of a share."""

CONFIG: Final = FairConfig(ageing_s=2, slice_tokens=30)
POOL: Final = Pool(slots=4, cells=260, step_tokens=64)
LOAD_PER_S: Final = 5.0
"""Requests of a second; the simulated engine ends about half as many."""

OPENING: Final = 50
"""Looks before all tenants have been in the queue for a while, and looks between two searches for the starved."""

WEIGHTS: Final = st.dictionaries(st.sampled_from("abcd"), st.sampled_from([1.0, 2.0, 3.0]), min_size=2)


def arrivals(weights: Mapping[str, float], priorities: Sequence[int], seed: int) -> list[TracedRequest]:
    """More than can be served, of each tenant in proportion to its weight."""
    draw, now = random.Random(seed), 0.0
    trace = []
    for _ in range(ARRIVALS):
        now += draw.expovariate(LOAD_PER_S)
        trace.append(
            TracedRequest(
                arrival_s=now,
                prompt_tokens=draw.randint(1, 60),
                output_tokens=draw.randint(1, 40),
                tenant=draw.choices(list(weights), list(weights.values()))[0],
                priority=draw.choice(priorities),
            )
        )
    return trace


class Watch:
    """Looks at an engine after each step.

    Parameters:
        played: The engine and its scheduler.
        weights: Of the tenants.
        priorities: Of the requests.
    """

    def __init__(self, played: Played, weights: Mapping[str, float], priorities: Sequence[int]) -> None:
        self.served: Counter[str] = Counter()
        """Tokens by tenant, while all of them wait."""
        self._played = played
        self._weights = weights
        self._most_urgent = min(priorities)
        self._lines = len(weights) * len(set(priorities))
        self._drew_s: dict[tuple[str, int], float] = {}
        self._seen: dict[int, tuple[int, int]] = {}
        self._looks = 0
        costs = played.costs
        step_s = costs.step_s + POOL.slots * costs.row_s + POOL.step_tokens * costs.token_s
        self._turn_s = (CONFIG.slice_tokens + 4) * step_s
        """The longest that anybody keeps a slot which another may have."""

    def step(self) -> None:
        """Play one, and look."""
        engine = self._played.engine
        all_wait = self._looks > OPENING and all(engine.tenants[tenant] for tenant in self._weights)
        ended = len(engine.finished)
        self._played.step()
        for sequence in (*engine.running, *engine.finished[ended:]):
            served, generated = self._seen.get(sequence.id, (0, 0))
            if all_wait:
                self.served[sequence.tenant] += sequence.served - served
            if sequence.generated > generated:
                self._drew_s[sequence.tenant, sequence.priority] = engine.now
            self._seen[sequence.id] = sequence.served, sequence.generated
        self._looks += 1
        if self._looks % OPENING == 0:
            self._look_for_the_starved(engine.waiting, engine.now)
            there_now = len(engine.waiting) + len(engine.running)
            assert self._played.scheduler.remembered <= 400 + 12 * there_now, "it remembers ever more"

    def _look_for_the_starved(self, waiting: Sequence[SimulatedSequence], now: float) -> None:
        lines: set[tuple[str, int]] = set()
        for sequence in waiting:
            line = sequence.tenant, sequence.priority
            if line not in lines:
                lines.add(line)
                since = max(sequence.arrived, self._drew_s.get(line, 0.0))
                assert now - since <= self._bound_s(*line), f"{line} got no token since {since}"

    def _bound_s(self, tenant: str, priority: int) -> float:
        """How long a line may be without a token: until it has aged, and then until its tenant's turn has come."""
        turns = sum(self._weights.values()) / self._weights[tenant] + self._lines
        return (priority - self._most_urgent) * CONFIG.ageing_s + turns * self._turn_s / POOL.slots + self._turn_s


@pytest.mark.slow
@given(WEIGHTS, st.sampled_from([[0], [0, 0, 0, -5], [3, 0, 20]]), st.integers(0, 1000))
@settings(max_examples=2, phases=[Phase.generate], deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_ten_thousand_arrivals(play: type[Played], weights: dict[str, float], priorities: list[int], seed: int) -> None:
    """The budget is kept, nobody starves, shares follow the weights, nothing is left over."""
    config = FairConfig(weights=weights, ageing_s=CONFIG.ageing_s, slice_tokens=CONFIG.slice_tokens)
    played = play(arrivals(weights, priorities, seed), config, POOL)
    watch = Watch(played, weights, priorities)
    while not played.engine.idle:
        watch.step()  # holds each plan against the rules of StepPlan
    assert len(played.engine.finished) == ARRIVALS
    for tenant, weight in weights.items():
        assert watch.served[tenant] / watch.served.total() == pytest.approx(
            weight / sum(weights.values()), rel=TOLERANCE
        )
    played.scheduler.plan(played.engine.view)
    assert played.scheduler.remembered == 0
