"""Children of a supervisor that the test plays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.supervisor.backoff import Backoff
from jackfield.supervisor.slot import Patience, Slot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jackfield.channel.messages import ToChild


class Child:
    """A process that remembers what it was told."""

    pid = 1

    def __init__(self) -> None:
        self.told: list[ToChild] = []

    def send(self, message: ToChild, descriptors: Sequence[int] = ()) -> None:
        """Remember it."""
        assert not descriptors
        self.told.append(message)

    def kill(self) -> None:
        """It lives as long as the test."""


def started(name: str, clock: Callable[[], float] = lambda: 0.0) -> Slot:
    """A slot whose child is loading."""
    made = Slot(
        name,
        start=lambda _: Child(),
        changed=lambda _: None,
        patience=Patience(60, 60),
        backoff=Backoff(1.0),
        clock=clock,
    )
    made.start()
    return made


def child(of: Slot) -> Child:
    """The process of a slot."""
    assert isinstance(of.child, Child)
    return of.child
