"""What has happened, read off one view after another: who was served, who waits, who waits for whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.scheduling import answers, find
from jackfield_fair.changes import changes
from jackfield_fair.ledger import Ledger
from jackfield_fair.lines import Lines
from jackfield_fair.order import Order
from jackfield_fair.shares import Shares

if TYPE_CHECKING:
    from collections.abc import Iterable, Sized
    from collections.abc import Set as AbstractSet

    from jackfield.ports.scheduler import SchedulerView, SequenceView, StepPlan
    from jackfield_fair.config import FairConfig
    from jackfield_fair.ledger import Account


class History:
    """What the scheduler remembers from step to step.

    Parameters:
        config: Of the plugin.
    """

    def __init__(self, config: FairConfig) -> None:
        self.shares = Shares(config.weights)
        self.lines = Lines()
        self.order = Order(self.lines, self.shares, config.ageing_s)
        self.ledger = Ledger(config.slice_tokens)
        self._waiting: list[SequenceView] = []
        self._waits_for: dict[int, frozenset[int]] = {}

    def __len__(self) -> int:
        """How much is remembered: nothing when nothing runs or waits."""
        kept: list[Sized] = [self._waiting, self.lines, self.order, self.ledger, self.shares, self._waits_for]
        return sum(map(len, kept))

    def waits_for_others(self, number: int) -> bool:
        """Whether the engine left that sequence out of a step, and prompts that ran then are still being computed.

        It waits for one of them, which must have its turn first.
        """
        return number in self._waits_for

    def planned(self, plan: StepPlan) -> None:
        """*plan* is what the engine was told last."""
        self.ledger.planned(dict(plan.chunks))

    def observe(self, view: SchedulerView) -> None:
        """Take in what *view* shows of the last plan, and of what has come since."""
        self._note_left_out(view)
        running = {sequence.id for sequence in view.running}
        ran = [self.ledger.ran(sequence) for sequence in view.running]
        self._credit([*ran, *self._ended(view, running)], view.now)
        if self._waiting != view.waiting:
            left, entered = changes(self._waiting, view.waiting)
            self._waiting = list(view.waiting)
            self._note_left(left, running)
            self._note_entered(entered)
        if not len(self.lines):
            self.order.clear()
        self.ledger.settle(running)
        self.shares.run({sequence.tenant for sequence in view.running})

    def _note_left_out(self, view: SchedulerView) -> None:
        """Whom the last plan was to start and the engine did not."""
        if not (self.ledger.starting or self._waits_for):
            return
        computing = frozenset(sequence.id for sequence in view.running if not answers(sequence))
        held = {**self._waits_for, **dict.fromkeys(self.ledger.starting, computing)}
        self._waits_for = {
            number: left
            for number, others in held.items()
            if (left := others & computing) and find(view.waiting, number) is not None
        }

    def _note_left(self, left: Iterable[SequenceView], running: AbstractSet[int]) -> None:
        """They wait no more: started, or cancelled."""
        for sequence in left:
            tenant = self.lines.remove(sequence.id)
            if tenant is not None:
                self.shares.leave(tenant)
            if sequence.id not in running:
                self.ledger.forget(sequence.id)

    def _note_entered(self, entered: Iterable[SequenceView]) -> None:
        """They wait now: arrived, preempted, or held back until now."""
        for sequence in entered:
            if sequence.tenant not in self.lines.tenants:
                if sequence.id in self.ledger:
                    self.shares.wait(sequence.tenant)
                else:
                    self.shares.join(sequence.tenant)
            line = self.lines.add(sequence)
            if line.first == sequence.id:
                self.order.enter(line)

    def _ended(self, view: SchedulerView, running: AbstractSet[int]) -> Iterable[Account]:
        """Those that ended with the last step."""
        for number in sorted(self.ledger.without_slot(running)):
            if find(view.waiting, number) is None:
                account = self.ledger.ended(number)
                if account is not None:
                    yield account

    def _credit(self, accounts: Iterable[Account], now: float) -> None:
        charge, served = self.shares.charge, self.lines.served
        for account in accounts:
            if account.got:
                charge(account.tenant, account.got)
            if account.drew:
                served(account.stood, now)
