"""Weighted fair shares between tenants, priorities with ageing, and preemption."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from jackfield.ports.scheduler import StepPlan
from jackfield.scheduling import StepDraft, answers
from jackfield_fair.history import History
from jackfield_fair.preemption import Holders
from jackfield_fair.prompts import PromptRound

if TYPE_CHECKING:
    from jackfield.ports.scheduler import SchedulerView, SequenceView
    from jackfield_fair.config import FairConfig


class FairScheduler:
    """Serves tenants by their weights.

    Parameters:
        config: ``[config.fair]``.

    Every running answer gets its token in every step. Who gets the rest of the step, and the slots, is ranked by level
    (priority, lifted by ageing), then by what the tenant was served, then by arrival.
    """

    def __init__(self, config: FairConfig) -> None:
        self._config = config
        self._history = History(config)
        self._current = -1
        self._now = -math.inf
        self._plan = StepPlan([])

    @property
    def remembered(self) -> int:
        """How many facts it keeps about sequences and tenants; 0 when nothing runs or waits."""
        return len(self._history)

    def plan(self, view: SchedulerView) -> StepPlan:
        """The next step; see ``jackfield.ports.scheduler.Scheduler``."""
        if view.now != self._now:
            self._now = view.now
            self._history.observe(view)
            self._plan = self._draft(view)
            self._history.planned(self._plan)
        return self._plan

    def _draft(self, view: SchedulerView) -> StepPlan:
        draft = StepDraft(view, self._config.step_ms / 1000)
        draft.make_room(self._standing)
        holders = Holders(self._config, self._history, draft.running, self._current)
        answering, prompting = [], []
        for holder in holders.by_standing:
            if answers(holder.sequence):
                answering.append(holder.sequence)
            else:
                prompting.append(holder)
        draft.answer(answering)
        prompts = PromptRound(self._history, holders, prompting)
        self._current = prompts.serve(view, draft)
        return draft.plan()

    def _standing(self, sequence: SequenceView) -> tuple[int, int]:
        return self._history.ledger.of(sequence.id).level, sequence.id
