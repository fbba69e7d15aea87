"""``fair`` and the kits."""

from __future__ import annotations

from typing import ClassVar

from jackfield.testing.kits.config import ConfigKit
from jackfield.testing.kits.scheduler import SchedulerKit


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
