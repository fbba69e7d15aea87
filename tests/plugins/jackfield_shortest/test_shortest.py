"""``shortest-prompt-first``: the kits, its order, its bound, and its size."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

import jackfield_shortest
from jackfield.errors import ManifestError
from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.plugins import build_kernel
from jackfield.ports.scheduler import Chunk, SchedulerView
from jackfield.simulation.engine import Pool, SimulatedEngine
from jackfield.testing.kits.config import ConfigKit
from jackfield.testing.kits.scheduler import (
    STEPS,
    SchedulerKit,
    Seen,
    WatchedSequence,
    many_requests,
    play_to_the_end,
)
from jackfield_shortest.scheduler import COMPARED, ShortestScheduler

LINES_MAX = 150


class TestShortestConforms(SchedulerKit):
    """The kit that any scheduler must pass."""

    manifest = 'enabled = ["shortest-prompt-first"]'


class TestShortestOptions(ConfigKit):
    """The kit that any plugin's options must pass."""

    manifest = 'enabled = ["shortest-prompt-first"]'


def _order(waiting: list[Seen], now: float, ageing_s: float = 30) -> list[int]:
    view = SchedulerView(now, waiting, [], free_slots=8, free_tokens=10_000, max_tokens=10_000)
    return [chunk.id for chunk in ShortestScheduler(ageing_s, 0).plan(view).chunks]


def test_the_least_work_goes_first() -> None:
    """What is found cached is no work; equal ones go in order of arrival."""
    waiting = [Seen(1, 500), Seen(2, 20), Seen(3, 5, computed=995), Seen(4, 20)]
    assert _order(waiting, now=1.0) == [3, 2, 4, 1]


def test_nobody_waits_longer_than_the_bound() -> None:
    """After ``ageing_s`` a long prompt is the next one; several of them go in order of arrival."""
    waiting = [Seen(1, 500), Seen(2, 900), Seen(3, 1, arrived=5.0)]
    assert _order(waiting, now=29.9) == [3, 1, 2]
    assert _order(waiting, now=30.0) == [1, 2, 3]


def test_a_long_queue_is_not_read_to_its_end() -> None:
    """Of ten thousand that wait the oldest are compared: a plan takes no longer than with a tenth of them."""
    looks = count()
    waiting = [WatchedSequence(Seen(number, 500), looks) for number in range(10_000)]
    view = SchedulerView(1.0, waiting, [], free_slots=8, free_tokens=100_000, max_tokens=10_000)
    plan = ShortestScheduler(30, 0).plan(view)
    assert [chunk.id for chunk in plan.chunks] == list(range(8))
    assert next(looks) < 2 * COMPARED


def test_what_has_begun_goes_on() -> None:
    """A prompt that is being computed is not passed by a shorter one."""
    running = [Seen(1, 400, 100, 100)]
    view = SchedulerView(1.0, [Seen(2, 5)], running, free_slots=8, free_tokens=10_000, max_tokens=100)
    assert ShortestScheduler(30, 0.15).plan(view).chunks == [Chunk(1, 100)]


def test_the_port_is_that_good() -> None:
    """A whole scheduler fits into so many lines."""
    folder = Path(jackfield_shortest.__file__).parent
    assert sum(len(file.read_text().splitlines()) for file in folder.glob("*.py")) < LINES_MAX


@pytest.mark.parametrize("key", ["ageing_s", "step_ms"])
def test_a_bad_option_names_the_key(key: str) -> None:
    """And the server does not start."""
    name = "shortest-prompt-first"
    manifest = Manifest(enabled=(InstanceRef(name, name),), kernel=KernelConfig(), config={name: {key: -1}})
    with pytest.raises(ManifestError, match=key):
        build_kernel(manifest)


@pytest.mark.slow
def test_ten_thousand_random_arrivals() -> None:
    """Every plan can be done, every request ends."""
    scheduler = ShortestScheduler(30, 0.15)
    engine = SimulatedEngine(Pool(6, 600, 64), STEPS, many_requests(10_000, seed=7))
    play_to_the_end(scheduler, engine)
    assert len(engine.finished) == 10_000
