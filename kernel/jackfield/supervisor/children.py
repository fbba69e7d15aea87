"""The child processes there are: started, listened to, taken off the system's list when they have ended."""

from __future__ import annotations

import selectors
from typing import TYPE_CHECKING, Final

from jackfield.log_ring import LogRing
from jackfield.supervisor.child import how_it_ended, spawn
from jackfield.supervisor.slot import STOP_GRACE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from jackfield.channel.messages import ToChild, ToSupervisor
    from jackfield.supervisor.child import Child
    from jackfield.supervisor.slot import Slot

HANG_UP_GRACE_S: Final = 1.0
"""From the end of the control conversation until SIGKILL; a child that ends normally is gone by then."""


class Children:
    """All of them, each with its slot. Supervisor's only thread.

    Parameters:
        selector: The supervisor's own; registered data is called with the event mask.
        heard: Told of every message, after the child's slot.
    """

    def __init__(self, selector: selectors.BaseSelector, heard: Callable[[Child, ToSupervisor], None]) -> None:
        self._selector = selector
        self._heard = heard
        self._slots: dict[Child, Slot] = {}
        self.logs: Final[dict[Slot, LogRing]] = {}
        """Latest log lines of each slot, kept from one child to the next."""

    def __bool__(self) -> bool:
        return bool(self._slots)

    def keep_logs(self, slots: Iterable[Slot]) -> None:
        """Make the log rings; before the first child. Raises ``OSError`` where there are no descriptors left."""
        self.logs.update((slot, LogRing.create()) for slot in slots)

    def spawn(self, command: Sequence[str], slot: Slot, *, model: str = "") -> Child:
        """Start a child of *slot*; see ``jackfield.supervisor.child.spawn``."""
        self.logs[slot].note("info", "a process is started", restarts=slot.restarts)
        child = spawn(command, self.logs[slot], model=model)
        self._slots[child] = slot
        self._selector.register(child, selectors.EVENT_READ, lambda _events: self._hear(child))
        return child

    def send(self, message: ToChild) -> None:
        """Say the same to all."""
        for child in self._slots:
            child.send(message)

    def reap(self) -> None:
        """Tell the slots whose child has ended, and why."""
        for child, slot in list(self._slots.items()):
            exit_code = child.exit_code()
            if exit_code is None:
                continue
            while not child.closed:  # its last words: why it refused
                self._hear(child)
            del self._slots[child]
            child.close()
            slot.exited(how_it_ended(exit_code))
            self.logs[slot].note("info" if exit_code == 0 else "warning", "the process ended", reason=slot.reason)

    def end(self) -> None:
        """Kill all that are left, and forget everything."""
        for child in self._slots:
            child.kill()
        for child in self._slots:
            child.wait(STOP_GRACE_S)
            child.close()
        self._slots.clear()
        for log in self.logs.values():
            log.close()
        self.logs.clear()

    def _hear(self, child: Child) -> None:
        """Act on what a child said; at end-of-file stop listening to it."""
        for message in child.receive():
            self._slots[child].take(message)
            self._heard(child, message)
        if child.closed:
            self._selector.unregister(child)
            self._slots[child].hung_up(HANG_UP_GRACE_S)
