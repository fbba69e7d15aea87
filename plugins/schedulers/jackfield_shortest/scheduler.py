"""The least work first."""

from __future__ import annotations

from bisect import bisect_right
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from jackfield.scheduling import StepDraft, answers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.ports.scheduler import SchedulerView, SequenceView, StepPlan

COMPARED: Final = 1000
"""Waiting sequences, the oldest, that are compared with each other: a longer queue makes a step no slower."""

_arrived = attrgetter("arrived")
_pending = attrgetter("pending")


class ShortestScheduler:
    """Starts whose prompt has the least left to compute; what the prefix cache has counts as done.

    Parameters:
        ageing_s: Seconds after which a waiting sequence goes first, however long its prompt.
        step_s: Seconds that prompts may take of a step that others wait for; 0 sets no bound.
    """

    def __init__(self, ageing_s: float, step_s: float) -> None:
        self._ageing_s = ageing_s
        self._step_s = step_s

    def plan(self, view: SchedulerView) -> StepPlan:
        """The next step; see ``jackfield.ports.scheduler.Scheduler``."""
        draft = StepDraft(view, self._step_s)
        draft.make_room(lambda sequence: (sequence.id,))
        draft.answer(sequence for sequence in draft.running if answers(sequence))
        prompting = [sequence for sequence in draft.running if not answers(sequence)]
        for sequence in sorted(prompting, key=lambda sequence: (sequence.pending, sequence.id)):
            draft.prompt(sequence)
        if not draft.preempted and draft.may_start:
            for sequence in self._order(view):
                if not draft.start(sequence):
                    break
        return draft.plan()

    def _order(self, view: SchedulerView) -> Sequence[SequenceView]:
        """Who goes first of those that wait: the aged, and then who has the least left; equals by arrival."""
        oldest = view.waiting[:COMPARED]
        aged = bisect_right(oldest, view.now - self._ageing_s, key=_arrived)
        return [*oldest[:aged], *sorted(oldest[aged:], key=_pending)]
