"""What has happened, read off one view after another: who was served, who waits, who waits for whom."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from jackfield.scheduling import answers, find
from jackfield_fair.ledger import Ledger
from jackfield_fair.lines import Lines
from jackfield_fair.shares import Shares

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.ports.scheduler import SchedulerView, StepPlan
    from jackfield_fair.ledger import Served

_by_id = attrgetter("id")


class History:
    """What the scheduler remembers from step to step.

    Parameters:
        weights: Of the tenants.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        self.shares = Shares(weights)
        self.lines = Lines()
        self.ledger = Ledger()
        self._waiting: list[int] = []
        self._waits_for: dict[int, frozenset[int]] = {}

    def __len__(self) -> int:
        """How much is remembered: nothing when nothing runs or waits."""
        return len(self._waiting) + len(self.lines) + len(self.ledger) + len(self.shares) + len(self._waits_for)

    def waits_for_others(self, number: int) -> bool:
        """Whether the engine left that sequence out of a step, and prompts that ran then are still being computed.

        It waits for one of them, which must have its turn first.
        """
        return number in self._waits_for

    def planned(self, plan: StepPlan) -> None:
        """*plan* is what the engine was told last."""
        self.ledger.planned({chunk.id: chunk.tokens for chunk in plan.chunks})

    def observe(self, view: SchedulerView) -> None:
        """Take in what *view* shows of the last plan, and of what has come since."""
        numbers = list(map(_by_id, view.waiting))
        waiting = set(numbers)
        self._note_left_out(view, waiting)
        running = {sequence.id for sequence in view.running}
        for sequence in view.running:
            self._credit(self.ledger.ran(sequence), view.now)
        for number in self.ledger.without_slot(running):
            if number not in waiting:
                self._credit(self.ledger.ended(number), view.now)
        if numbers != self._waiting:
            self._note_changes(view, waiting)
            self._waiting = numbers
        self.ledger.settle()
        busy = {*(sequence.tenant for sequence in view.running), *self.lines.tenants}
        self.shares.forget(busy, self.lines.tenants)

    def _note_left_out(self, view: SchedulerView, waiting: set[int]) -> None:
        starting = waiting.intersection(self.ledger.starting)
        if not (starting or self._waits_for):
            return
        computing = frozenset(sequence.id for sequence in view.running if not answers(sequence))
        held = {**self._waits_for, **dict.fromkeys(starting, computing)}
        self._waits_for = {
            number: left for number, others in held.items() if number in waiting and (left := others & computing)
        }

    def _note_changes(self, view: SchedulerView, waiting: set[int]) -> None:
        """Somebody waits who did not, or the other way round: arrived, preempted, started, ended."""
        for number in self.lines.numbers - waiting:
            tenant = self.lines.remove(number)
            if tenant is not None:
                self.shares.leave(tenant)
        for number in sorted(waiting - self.lines.numbers):
            sequence = find(view.waiting, number)
            if sequence is None:
                continue
            if sequence.tenant not in self.lines.tenants and self.ledger.get(number) is None:
                self.shares.join(sequence.tenant, self.lines.tenants)
            self.lines.add(sequence)

    def _credit(self, served: Served | None, now: float) -> None:
        if served is None:
            return
        if served.tokens:
            self.shares.charge(served.tenant, served.tokens)
        if served.drew:
            self.lines.served(served.tenant, served.priority, now)
