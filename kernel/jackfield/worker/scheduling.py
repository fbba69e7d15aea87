"""The scheduler in use: made when the worker starts, and made anew when its options change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from jackfield.errors import JackfieldError, PluginError
from jackfield.manifest import InstanceRef
from jackfield.plugins import build_kernel
from jackfield.worker.foreign import NamedScheduler

if TYPE_CHECKING:
    from jackfield.manifest import Manifest
    from jackfield.plugins import Kernel
    from jackfield.ports.scheduler import Scheduler, SchedulerFactory


class SchedulerInUse:
    """The first scheduler that the enabled plugins hand over.

    Parameters:
        kernel: The enabled plugins.

    Raises:
        PluginError: It cannot be made, or is none.
    """

    def __init__(self, kernel: Kernel) -> None:
        name, factory = next(iter(kernel.schedulers().items()))
        owner = kernel.scheduler_owners()[name]
        self._name = name
        self._ref = InstanceRef(owner.name, owner.plugin, owner.defaulted)
        self._table = kernel.manifest.config.get(owner.name, {})
        self.scheduler = NamedScheduler(name, _made(name, factory))

    @property
    def plugin(self) -> str:
        """Name of the instance whose options it has."""
        return self._ref.name

    def reconfigure(self, manifest: Manifest) -> bool:
        """Let a scheduler with the options in *manifest* take over, if they have changed.

        Any thread, one call at a time; the engine loop asks the new one from its next step on. No other plugin is
        loaded.

        Returns:
            Whether there is a new one.

        Raises:
            ManifestError: An option cannot be used; the old one goes on.
            PluginError: The new one cannot be made; the old one goes on.
        """
        table = manifest.config.get(self.plugin, {})
        if table == self._table:
            return False
        tables = {self.plugin: table} if table else {}
        alone = replace(manifest, enabled=(self._ref,), config=tables)
        factories = build_kernel(alone, fill=False).schedulers()
        if self._name not in factories:
            raise PluginError(f"the plugin {self.plugin} hands over no scheduler {self._name} any more")
        self.scheduler.hand_over(_made(self._name, factories[self._name]))
        self._table = table
        return True


def _made(name: str, factory: SchedulerFactory) -> Scheduler:
    try:
        scheduler = factory()
    except JackfieldError:
        raise
    except Exception as error:
        raise PluginError(f"scheduler {name}: its factory raised {type(error).__name__}: {error}") from error
    if not callable(getattr(scheduler, "plan", None)):
        raise PluginError(f"scheduler {name}: its factory made {type(scheduler).__name__}, which has no plan()")
    return scheduler
