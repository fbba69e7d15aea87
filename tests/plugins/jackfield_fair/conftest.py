"""Traces played through ``fair``."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, ClassVar

import pytest

from jackfield.simulation.engine import Costs, Pool, SimulatedEngine
from jackfield_fair.config import FairConfig
from jackfield_fair.scheduler import FairScheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from jackfield.simulation.trace import TracedRequest


class Played:
    """An engine and its scheduler."""

    costs: ClassVar = Costs(step_s=0.05, row_s=0.001, token_s=0.002)
    pool: ClassVar = Pool(slots=4, cells=4000, step_tokens=256)

    def __init__(self, trace: Iterable[TracedRequest], config: FairConfig | None = None, pool: Pool = pool) -> None:
        self.engine = SimulatedEngine(pool, self.costs, sorted(trace, key=lambda request: request.arrival_s))
        self.scheduler = FairScheduler(config or FairConfig())

    def step(self) -> None:
        """One."""
        self.engine.play(self.scheduler.plan(self.engine.view))

    def until(self, done: Callable[[], bool], steps: int = 2_000_000) -> None:
        """Step until *done*."""
        for _ in range(steps):
            if done():
                return
            self.step()
        raise AssertionError(f"not done after {steps} steps")

    def to_the_end(self) -> None:
        """All of it, and the look at an engine that has nothing to do."""
        self.until(lambda: self.engine.idle)
        self.scheduler.plan(self.engine.view)

    @property
    def served(self) -> Counter[str]:
        """Tokens by tenant."""
        engine = self.engine
        tokens: Counter[str] = Counter()
        for sequence in (*engine.finished, *engine.running, *engine.waiting):
            tokens[sequence.tenant] += sequence.served
        return tokens


@pytest.fixture(scope="session")
def play() -> type[Played]:
    """Plays a trace, made of it."""
    return Played
