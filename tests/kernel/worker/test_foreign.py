"""The scheduler plugin in the worker: what fails or is slow is named."""

from __future__ import annotations

import time

import pytest
from structlog.testing import capture_logs

from jackfield.errors import PluginError
from jackfield.port_calls import STALL_S
from jackfield.ports.scheduler import SchedulerView, StepPlan
from jackfield.worker.foreign import NamedScheduler

VIEW = SchedulerView(0.0, [], [], 1, 1, 1)


class Slow:
    """Plans nothing, slowly."""

    def plan(self, view: SchedulerView) -> StepPlan:
        """Takes as long as is worth a line."""
        time.sleep(STALL_S)
        return StepPlan([])


class Broken:
    """Cannot plan."""

    def plan(self, view: SchedulerView) -> StepPlan:
        """Raises."""
        raise KeyError(view.now)


def test_a_plan_that_raises_names_its_scheduler() -> None:
    """The worker ends with these words in the log."""
    with pytest.raises(PluginError, match=r"^scheduler odd: plan\(\) raised KeyError"):
        NamedScheduler("odd", Broken()).plan(VIEW)


def test_slow_plans_are_named_once() -> None:
    """The plan is used all the same."""
    scheduler = NamedScheduler("odd", Slow())
    with capture_logs() as logs:
        assert [scheduler.plan(VIEW) for _ in range(2)] == [StepPlan([])] * 2
    assert [(log["plugin"], log["call"]) for log in logs] == [("odd", "Scheduler.plan")]
