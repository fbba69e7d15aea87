"""``fcfs``: the port's conformance kit, and what is its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jackfield import build_kernel
from jackfield.errors import ManifestError
from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.ports.scheduler import Chunk, Scheduler, SchedulerView, StepPlan
from jackfield.simulation.engine import Pool, SimulatedEngine
from jackfield.testing.kits.config import ConfigKit
from jackfield.testing.kits.scheduler import STEPS, SchedulerKit, Seen, many_requests, play_to_the_end
from jackfield_fcfs.scheduler import FcfsScheduler

if TYPE_CHECKING:
    from jackfield.ports.backend import OptionValue


def _view(
    waiting: list[Seen],
    running: list[Seen],
    *,
    slots: int = 8,
    cells: int = 1000,
    step: int = 32,
    token_s: float = 0.001,
) -> SchedulerView:
    return SchedulerView(0.0, waiting, running, slots, cells, step, token_s)


def _answering(number: int, computed: int) -> Seen:
    return Seen(number, 1, computed, computed, generated=1)


class TestFcfsConforms(SchedulerKit):
    """The kit that any scheduler must pass."""

    manifest = 'enabled = ["fcfs"]'


class TestFcfsOptions(ConfigKit):
    """The kit that any plugin's options must pass."""

    manifest = 'enabled = ["fcfs"]'


class TestFcfsWithSmallStepsConforms(SchedulerKit):
    """The same with steps that hardly hold the answers."""

    def scheduler(self) -> Scheduler:
        """Five tokens: fewer than the kit has answers at once."""
        return FcfsScheduler(5, 0.15)


@pytest.mark.parametrize(
    ("view", "plan"),
    [
        pytest.param(_view([], []), StepPlan([], []), id="nothing"),
        pytest.param(
            _view([Seen(1, 20), Seen(2, 20)], []),
            StepPlan([Chunk(1, 20), Chunk(2, 12)], []),
            id="one prompt after another",
        ),
        pytest.param(
            _view([Seen(3, 50)], [_answering(1, 9), _answering(2, 9)]),
            StepPlan([Chunk(1, 1), Chunk(2, 1), Chunk(3, 30)], []),
            id="answers first, the rest of the step for a prompt",
        ),
        pytest.param(
            _view([], [Seen(1, 40, 32, 32), _answering(2, 5)]),
            StepPlan([Chunk(2, 1), Chunk(1, 31)], []),
            id="chunk goes on",
        ),
        pytest.param(_view([Seen(1, 5), Seen(2, 5)], [], slots=1), StepPlan([Chunk(1, 5)], []), id="one slot"),
        pytest.param(
            _view([Seen(1, 90), Seen(2, 5)], [_answering(0, 50)], cells=60),
            StepPlan([Chunk(0, 1)], []),
            id="a prompt that does not fit holds back those behind it",
        ),
        pytest.param(
            _view([], [_answering(1, 9), _answering(2, 7), _answering(3, 5)], cells=1),
            StepPlan([Chunk(1, 1), Chunk(2, 1)], [3]),
            id="the youngest gives way",
        ),
    ],
)
def test_plans(view: SchedulerView, plan: StepPlan) -> None:
    """The plan of typical views, to the token."""
    assert FcfsScheduler(None, 0.15).plan(view) == plan


def test_a_small_step_bounds_prompts_but_never_answers() -> None:
    """``step_tokens`` delays prompts; every running answer still gets its token."""
    view = _view([Seen(9, 50)], [_answering(number, 9) for number in range(6)])
    assert FcfsScheduler(4, 0.15).plan(view) == StepPlan([Chunk(number, 1) for number in range(6)], [])
    assert FcfsScheduler(10, 0.15).plan(view).chunks[-1] == Chunk(9, 4)


@pytest.mark.parametrize(
    ("step_s", "token_s", "tokens"),
    [
        pytest.param(0.15, 0.003, 50, id="as many as fit into the time"),
        pytest.param(0.15, 0.1, 32, id="never less than thirty-two"),
        pytest.param(0.15, 0.0, 128, id="nothing was measured yet"),
        pytest.param(0.0, 0.1, 399, id="no bound"),
    ],
)
def test_prompts_add_a_bounded_time_to_a_step_with_answers(step_s: float, token_s: float, tokens: int) -> None:
    """``step_ms`` over what a prompt token takes; without answers the prompt has the whole step."""
    view = _view([Seen(2, 900)], [_answering(1, 9)], step=400, token_s=token_s)
    assert FcfsScheduler(None, step_s).plan(view).chunks == [Chunk(1, 1), Chunk(2, tokens)]
    alone = _view([Seen(2, 900)], [], step=400, token_s=token_s)
    assert FcfsScheduler(None, step_s).plan(alone).chunks == [Chunk(2, 400)]


def test_cached_tokens_take_cells_and_no_time() -> None:
    """What is found cached is not computed again, but must have room where no running sequence shares it."""
    row = Seen(1, 10, 90, cells=90)
    assert FcfsScheduler(None, 0.15).plan(_view([row], [], cells=101)).chunks == [Chunk(1, 10)]
    assert not FcfsScheduler(None, 0.15).plan(_view([row], [], cells=100)).chunks
    shared = Seen(1, 10, 90, cells=0)
    assert FcfsScheduler(None, 0.15).plan(_view([shared], [], cells=11)).chunks == [Chunk(1, 10)]


@pytest.mark.parametrize(("table", "tokens"), [({}, 64), ({"step_tokens": "auto"}, 64), ({"step_tokens": 8}, 8)])
def test_the_hook_hands_over_a_configured_scheduler(table: dict[str, OptionValue], tokens: int) -> None:
    """``[config.fcfs]`` reaches the scheduler that the hook's factory makes."""
    manifest = Manifest(enabled=(InstanceRef("fcfs", "fcfs"),), kernel=KernelConfig(), config={"fcfs": table})
    scheduler = build_kernel(manifest).schedulers()["fcfs"]()
    assert scheduler.plan(_view([Seen(1, 500)], [], step=64)).chunks == [Chunk(1, tokens)]


@pytest.mark.parametrize("value", [-1, "all", True])
@pytest.mark.parametrize("key", ["step_tokens", "step_ms"])
def test_a_bad_step_is_a_start_up_error(key: str, value: OptionValue) -> None:
    """The error names the key."""
    manifest = Manifest(enabled=(InstanceRef("fcfs", "fcfs"),), kernel=KernelConfig(), config={"fcfs": {key: value}})
    with pytest.raises(ManifestError, match=r"config\.fcfs"):
        build_kernel(manifest)


@pytest.mark.slow
def test_ten_thousand_random_arrivals() -> None:
    """Every plan can be done, every request ends."""
    scheduler = FcfsScheduler(None, 0.15)
    engine = SimulatedEngine(Pool(6, 600, 64), STEPS, many_requests(10_000, seed=7))
    play_to_the_end(scheduler, engine)
    assert len(engine.finished) == 10_000
