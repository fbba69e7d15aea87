"""``shortest-prompt-first``: the least work first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield import hookimpl
from jackfield_shortest.config import ShortestConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    import msgspec

    from jackfield import PluginInstance
    from jackfield.ports.scheduler import Scheduler, SchedulerFactory


@hookimpl
def jackfield_config() -> type[msgspec.Struct]:
    """Its options."""
    return ShortestConfig


@hookimpl
def jackfield_schedulers(instance: PluginInstance) -> Mapping[str, SchedulerFactory]:
    """One scheduler, under the instance's name."""

    def make() -> Scheduler:
        from jackfield_shortest.scheduler import ShortestScheduler

        config = instance.config(ShortestConfig)
        return ShortestScheduler(config.ageing_s, config.step_ms / 1000)

    return {instance.name: make}
