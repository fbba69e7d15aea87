"""``fair``: weighted shares between tenants, priorities, bounded latency."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield import hookimpl
from jackfield_fair.config import FairConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    import msgspec

    from jackfield import PluginInstance
    from jackfield.ports.scheduler import Scheduler, SchedulerFactory


@hookimpl
def jackfield_config() -> type[msgspec.Struct]:
    """Its options."""
    return FairConfig


@hookimpl
def jackfield_schedulers(instance: PluginInstance) -> Mapping[str, SchedulerFactory]:
    """One scheduler, under the instance's name."""

    def make() -> Scheduler:
        from jackfield_fair.scheduler import FairScheduler

        return FairScheduler(instance.config(FairConfig))

    return {instance.name: make}
