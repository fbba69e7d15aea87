"""What has happened, read off one view after another: who was served, who waits, who waits for whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.scheduling import answers, find
from jackfield_fair.ledger import Ledger
from jackfield_fair.lines import Lines
from jackfield_fair.shares import Shares

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.ports.scheduler import SchedulerView, StepPlan
    from jackfield_fair.ledger import Served


class History:
    """What the scheduler remembers from step to step.

    Parameters:
        weights: Of the tenants.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        self.shares = Shares(weights)
        self.lines = Lines()
        self.ledger = Ledger()
        self._newest = -1
        self._waits_for: dict[int, frozenset[int]] = {}

    def __len__(self) -> int:
        """How much is remembered: nothing when nothing runs or waits."""
        return len(self.lines) + len(self.ledger) + len(self.shares) + len(self._waits_for)

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
        self._note_left_out(view)
        self._note_running(view)
        running = {sequence.id for sequence in view.running}
        for number in self.ledger.without_slot(running):
            self._note_lost_slot(number, view)
        self._note_arrivals(view)
        if len(self.lines) != len(view.waiting):  # somebody who waited has gone
            for number in self.lines.missing(view.waiting):
                self._leave(number)
        self.ledger.settle()
        busy = {*(sequence.tenant for sequence in view.running), *self.lines.tenants}
        self.shares.forget(busy, self.lines.tenants)

    def _note_left_out(self, view: SchedulerView) -> None:
        starting = [number for number in self.ledger.starting if find(view.waiting, number) is not None]
        if not (starting or self._waits_for):
            return
        computing = frozenset(sequence.id for sequence in view.running if not answers(sequence))
        held = {**self._waits_for, **dict.fromkeys(starting, computing)}
        self._waits_for = {number: left for number, others in held.items() if (left := others & computing)}

    def _note_running(self, view: SchedulerView) -> None:
        for sequence in view.running:
            if sequence.id in self.lines:
                self._leave(sequence.id)
            self._credit(self.ledger.ran(sequence), view.now)

    def _note_lost_slot(self, number: int, view: SchedulerView) -> None:
        """One that had a slot, or was to get one, does not run: it was preempted or left out, or it has ended."""
        sequence = find(view.waiting, number)
        if sequence is None:
            self._credit(self.ledger.ended(number), view.now)
            self._waits_for.pop(number, None)
            if number in self.lines:
                self._leave(number)
        elif number not in self.lines:
            self.lines.add(sequence)

    def _note_arrivals(self, view: SchedulerView) -> None:
        place = len(view.waiting)
        while place and view.waiting[place - 1].id > self._newest:
            place -= 1
        for sequence in view.waiting[place:]:
            if sequence.tenant not in self.lines.tenants:
                self.shares.join(sequence.tenant, self.lines.tenants)
            self.lines.add(sequence)
            self._newest = sequence.id

    def _leave(self, number: int) -> None:
        self._waits_for.pop(number, None)
        tenant = self.lines.remove(number)
        if tenant is not None:
            self.shares.leave(tenant)

    def _credit(self, served: Served | None, now: float) -> None:
        if served is None:
            return
        if served.tokens:
            self.shares.charge(served.tenant, served.tokens)
        if served.drew:
            self.lines.served(served.tenant, served.priority, now)
