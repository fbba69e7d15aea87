"""The scheduler plugin as the engine loop calls it: measured, and named where it fails."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from jackfield.errors import PluginError
from jackfield.port_calls import CallTimes

if TYPE_CHECKING:
    from jackfield.ports.scheduler import Scheduler, SchedulerView, StepPlan


class NamedScheduler:
    """A scheduler; an exception of it is a ``PluginError`` with its name. Engine loop thread."""

    def __init__(self, name: str, scheduler: Scheduler) -> None:
        self._name = name
        self._plan = scheduler.plan
        self._times = CallTimes("Scheduler.plan", name)

    def hand_over(self, scheduler: Scheduler) -> None:
        """Ask *scheduler* from the next step on. Any thread."""
        self._plan = scheduler.plan

    def plan(self, view: SchedulerView) -> StepPlan:
        began = time.perf_counter()
        try:
            return self._plan(view)
        except Exception as error:
            raise PluginError(f"scheduler {self._name}: plan() raised {type(error).__name__}: {error}") from error
        finally:
            self._times.took(time.perf_counter() - began)
