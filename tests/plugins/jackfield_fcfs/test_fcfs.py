"""``fcfs``: the port's conformance kit, and what is its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from jackfield import build_kernel
from jackfield.errors import ManifestError
from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.ports.scheduler import Chunk, Scheduler, SchedulerView, StepPlan
from jackfield.testing.kits.config import ConfigKit
from jackfield.testing.kits.scheduler import SchedulerKit
from jackfield_fcfs.scheduler import FcfsScheduler

if TYPE_CHECKING:
    from jackfield.ports.backend import OptionValue


@dataclass(frozen=True)
class Row:
    """A sequence as a scheduler sees it."""

    id: int
    pending: int
    computed: int = 0
    arrived: float = 0.0


def _view(
    waiting: list[Row], running: list[Row], *, slots: int = 8, cells: int = 1000, step: int = 32
) -> SchedulerView:
    return SchedulerView(0.0, waiting, running, slots, cells, step)


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
        return FcfsScheduler(5)


@pytest.mark.parametrize(
    ("view", "plan"),
    [
        pytest.param(_view([], []), StepPlan([], []), id="nothing"),
        pytest.param(
            _view([Row(1, 20), Row(2, 20)], []),
            StepPlan([Chunk(1, 20), Chunk(2, 12)], []),
            id="one prompt after another",
        ),
        pytest.param(
            _view([Row(3, 50)], [Row(1, 1, 9), Row(2, 1, 9)]),
            StepPlan([Chunk(1, 1), Chunk(2, 1), Chunk(3, 30)], []),
            id="answers first, the rest of the step for a prompt",
        ),
        pytest.param(
            _view([], [Row(1, 40, 32), Row(2, 1, 5)]), StepPlan([Chunk(2, 1), Chunk(1, 31)], []), id="chunk goes on"
        ),
        pytest.param(_view([Row(1, 5), Row(2, 5)], [], slots=1), StepPlan([Chunk(1, 5)], []), id="one slot"),
        pytest.param(
            _view([Row(1, 90), Row(2, 5)], [Row(0, 1, 50)], cells=60),
            StepPlan([Chunk(0, 1)], []),
            id="a prompt that does not fit holds back those behind it",
        ),
        pytest.param(
            _view([], [Row(1, 1, 9), Row(2, 1, 7), Row(3, 1, 5)], cells=1),
            StepPlan([Chunk(1, 1), Chunk(2, 1)], [3]),
            id="the youngest gives way",
        ),
    ],
)
def test_plans(view: SchedulerView, plan: StepPlan) -> None:
    """The plan of typical views, to the token."""
    assert FcfsScheduler(None).plan(view) == plan


def test_a_small_step_bounds_prompts_but_never_answers() -> None:
    """``step_tokens`` delays prompts; every running answer still gets its token."""
    view = _view([Row(9, 50)], [Row(number, 1, 9) for number in range(6)])
    assert FcfsScheduler(4).plan(view) == StepPlan([Chunk(number, 1) for number in range(6)], [])
    assert FcfsScheduler(10).plan(view).chunks[-1] == Chunk(9, 4)


@pytest.mark.parametrize(("table", "tokens"), [({}, 64), ({"step_tokens": "auto"}, 64), ({"step_tokens": 8}, 8)])
def test_the_hook_hands_over_a_configured_scheduler(table: dict[str, OptionValue], tokens: int) -> None:
    """``[config.fcfs]`` reaches the scheduler that the hook's factory makes."""
    manifest = Manifest(enabled=(InstanceRef("fcfs", "fcfs"),), kernel=KernelConfig(), config={"fcfs": table})
    scheduler = build_kernel(manifest).schedulers()["fcfs"]()
    assert scheduler.plan(_view([Row(1, 500)], [], step=64)).chunks == [Chunk(1, tokens)]


@pytest.mark.parametrize("value", [0, -1, "all", 1.5])
def test_a_bad_step_is_a_start_up_error(value: OptionValue) -> None:
    """The error names the key."""
    manifest = Manifest(
        enabled=(InstanceRef("fcfs", "fcfs"),), kernel=KernelConfig(), config={"fcfs": {"step_tokens": value}}
    )
    with pytest.raises(ManifestError, match=r"config\.fcfs"):
        build_kernel(manifest)
