"""What others have done to rules without asking this server, for audit sinks."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from jackfield.errors import PluginError
from jackfield.logs import traceback_of
from jackfield.ports.audit import AuditEvent
from jackfield.ports.outside_change import Watching

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jackfield.gateway.auditing import Auditing
    from jackfield.ports.audit import Detail
    from jackfield.ports.outside_change import Inventory, OutsideChange, Tell

NAMES: Final = 50
"""Names in one event; sinks cut longer lists. More of them take more events."""

NAME_MAX: Final = 300
"""Most characters of a name."""


class OutsideChanges:
    """Tells audit sinks of them; they are in force already, so that nothing waits for that. Event loop thread.

    Parameters:
        auditing: All sinks.
    """

    def __init__(self, auditing: Auditing) -> None:
        self._auditing = auditing
        self._watched: list[tuple[str, Watching]] = []
        self._log = structlog.get_logger("jackfield.gateway")

    def begin(self, objects: Sequence[tuple[str, object]]) -> None:
        """Have *objects* of plugins, with their names, say what others change; nobody need where nothing is recorded.

        Raises:
            PluginError: One of them has failed; the message names its plugin.
        """
        if not self._auditing.enabled:
            return
        for name, each in objects:
            try:
                if isinstance(each, Watching):  # which asks for its inventory
                    self._begin(name, each)
            except Exception as error:
                raise PluginError(f"plugin {name}: watch() raised {type(error).__name__}: {error}") from error

    def end(self) -> None:
        """The objects are closed: say what they leave, which the next start may compare with what it finds."""
        for name, each in self._watched:
            try:
                self.left(name, each.inventory)
            except Exception as error:  # noqa: BLE001 -- foreign code, at the end: the record itself is not closed yet
                self._log.error("a plugin cannot say what it leaves", plugin=name, traceback=traceback_of(error))
        self._watched.clear()

    def found(self, name: str, inventory: Inventory) -> None:
        """The server has begun to go by what the plugin *name* has found."""
        self._tell_inventory("found", name, inventory)

    def left(self, name: str, inventory: Inventory) -> None:
        """The server ends, and leaves that."""
        self._tell_inventory("left", name, inventory)

    def changed(self, name: str, change: OutsideChange) -> None:
        """The plugin *name* has noticed *change*."""
        for lists in _parts(change):
            details: dict[str, Detail] = {"source": change.source, **lists}
            self._tell(
                AuditEvent(
                    kind="admin",
                    action=f"{change.kind}.changed",
                    outcome="ok",
                    time=time.time(),
                    resource=name,
                    reason="outside",
                    details=details,
                )
            )

    def _begin(self, name: str, watching: Watching) -> None:
        self.found(name, watching.inventory)
        watch: Callable[[Tell], object] = watching.watch
        if watch(partial(self.changed, name)) is not None:
            raise PluginError("it returned something, as if it were to be awaited")
        self._watched.append((name, watching))

    def _tell_inventory(self, how: str, name: str, inventory: Inventory) -> None:
        self._tell(
            AuditEvent(
                kind="lifecycle",
                action=f"{inventory.kind}.{how}",
                outcome="ok",
                time=time.time(),
                resource=name,
                details={"source": inventory.source, "count": inventory.count, "state": inventory.state},
            )
        )

    def _tell(self, event: AuditEvent) -> None:
        if self._auditing.enabled:
            self._auditing.tell(event)


def _parts(change: OutsideChange) -> Sequence[Mapping[str, tuple[str, ...]]]:
    """What was created, changed and removed, in lists that sinks do not cut."""
    return [
        {how: tuple(name[:NAME_MAX] for name in names[start : start + NAMES])}
        for how, names in (("created", change.created), ("changed", change.changed), ("removed", change.removed))
        for start in range(0, len(names), NAMES)
    ]
