"""``fair`` and the kits."""

from __future__ import annotations

from typing import ClassVar

import pytest

from jackfield.simulation.engine import Pool, SimulatedEngine
from jackfield.testing.kits.config import ConfigKit
from jackfield.testing.kits.scheduler import STEPS, SchedulerKit, many_requests, play_to_the_end
from jackfield_fair.config import FairConfig
from jackfield_fair.scheduler import FairScheduler


class TestFairConforms(SchedulerKit):
    """The kit that any scheduler must pass."""

    manifest = 'enabled = ["fair"]'
    needs: ClassVar = {"patience_s": 150.0}


class TestFairInAHurryConforms(SchedulerKit):
    """The same with the shortest slices and the quickest preemption."""

    manifest = """
        enabled = ["fair"]
        [config.fair]
        slice_tokens = 1
        urgent_steps = 1
        ageing_s = 0.5
        step_ms = 1
        weights = { a = 7, b = 0.5 }
    """


class TestFairOptions(ConfigKit):
    """The kit that any plugin's options must pass."""

    manifest = 'enabled = ["fair"]'


@pytest.mark.slow
def test_ten_thousand_random_arrivals() -> None:
    """Every plan can be done, every request ends, and nothing is remembered of them."""
    scheduler = FairScheduler(FairConfig(weights={"a": 2}))
    engine = SimulatedEngine(Pool(6, 600, 64), STEPS, many_requests(10_000, seed=7))
    play_to_the_end(scheduler, engine)
    assert len(engine.finished) == 10_000
    assert scheduler.remembered == 0
