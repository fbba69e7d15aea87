"""``fcfs``: the packaged default scheduler."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield import hookimpl
from jackfield_fcfs.config import FcfsConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    import msgspec

    from jackfield import PluginInstance
    from jackfield.ports.scheduler import Scheduler, SchedulerFactory


@hookimpl
def jackfield_config() -> type[msgspec.Struct]:
    """Its options."""
    return FcfsConfig


@hookimpl
def jackfield_schedulers(instance: PluginInstance) -> Mapping[str, SchedulerFactory]:
    """One scheduler, under the instance's name."""

    def make() -> Scheduler:
        from jackfield_fcfs.scheduler import FcfsScheduler

        config = instance.config(FcfsConfig)
        return FcfsScheduler(None if config.step_tokens == "auto" else config.step_tokens, config.step_ms / 1000)

    return {instance.name: make}
