"""New options that workers were offered, and what each of them has made of them. The supervisor itself never waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from jackfield.ports.operating import WorkerAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from jackfield.channel.messages import Reconfigure, Reconfigured
    from jackfield.supervisor.slot import Process, Slot

OFFERS_MAX: Final = 64
"""Offers whose answers are kept; whoever made one reads it within seconds."""

PATIENCE_S: Final = 10.0
"""How long the next change waits for an answer to the one before; making a scheduler takes milliseconds."""


@dataclass
class _Offer:
    worker: Slot
    child: Process
    answer: WorkerAnswer

    @property
    def shown(self) -> WorkerAnswer:
        gone = self.answer.answer == "pending" and self.worker.child is not self.child
        return replace(self.answer, answer="lost") if gone else self.answer


class Offers:
    """Offers to workers, each with a ticket. Supervisor's only thread.

    Parameters:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._made: dict[int, list[_Offer]] = {}
        self._latest: Reconfigure | None = None
        self._until = 0.0

    def make(self, offer: Reconfigure, workers: Iterable[Slot]) -> None:
        """Offer the options to all *workers* that there are; only those that serve are waited for."""
        asked: list[_Offer] = []
        for worker in workers:
            if worker.child is not None:
                worker.child.send(offer)
                if worker.serves:
                    asked.append(_Offer(worker, worker.child, WorkerAnswer(model=worker.name, answer="pending")))
        self._made[offer.ticket] = asked
        self._latest, self._until = offer, self._clock() + PATIENCE_S
        if len(self._made) > OFFERS_MAX:
            del self._made[next(iter(self._made))]

    def answered(self, child: Process, message: Reconfigured) -> None:
        """Keep what *child* says, if it was asked."""
        for each in self._made.get(message.ticket, ()):
            if each.child is child:
                each.answer = WorkerAnswer(
                    model=each.worker.name,
                    answer="refused" if message.error else "taken" if message.changed else "unchanged",
                    reason=message.error,
                    param=message.param,
                )

    def read(self, ticket: int) -> Sequence[WorkerAnswer]:
        """What those have made of it who served then."""
        return [each.shown for each in self._made.get(ticket, ())]

    @property
    def open(self) -> Reconfigure | None:
        """The latest one, while somebody who serves has yet to answer it, and may take the time."""
        if self._latest is None or self._clock() > self._until:
            return None
        waiting = any(each.answer == "pending" for each in self.read(self._latest.ticket))
        return self._latest if waiting else None
