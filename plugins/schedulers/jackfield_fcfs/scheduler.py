"""First come, first served: continuous batching with chunked prefill."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.scheduling import StepDraft, answers

if TYPE_CHECKING:
    from jackfield.ports.scheduler import SchedulerView, SequenceView, StepPlan


class FcfsScheduler:
    """Serves sequences in the order they arrived.

    Parameters:
        step_tokens: Most tokens of a step; None takes all the backend allows. Never less than one per running answer.
        step_s: Seconds that prompts may take of a step that others wait for; 0 sets no bound.

    Every running answer gets its one token first, so a prompt that comes in never stalls one; what is left of the step
    goes to prompts, one after another and oldest first, since interleaved prompts would all see their first token late.
    When cells run short the youngest gives way to the oldest, and is computed anew when there is room.
    """

    def __init__(self, step_tokens: int | None, step_s: float = 0.0) -> None:
        self._step_tokens = step_tokens
        self._step_s = step_s

    def plan(self, view: SchedulerView) -> StepPlan:
        """The next step; see ``jackfield.ports.scheduler.Scheduler``."""
        bound = max(self._step_tokens or view.max_tokens, len(view.running))
        view = view._replace(max_tokens=min(view.max_tokens, bound))
        draft = StepDraft(view, self._step_s)
        draft.make_room(_arrival)
        running = sorted(draft.running, key=_arrival)
        draft.answer(sequence for sequence in running if answers(sequence))
        for sequence in running:
            if not answers(sequence):
                draft.prompt(sequence)
        if not draft.preempted:  # room that was just made belongs to those who run
            self._start_waiting(view, draft)
        return draft.plan()

    def _start_waiting(self, view: SchedulerView, draft: StepDraft) -> None:
        """Start waiting sequences, oldest first.

        One that does not fit holds back those behind it: passing it over would let short prompts starve a long one.
        """
        for sequence in view.waiting:
            if not draft.start(sequence):
                return


def _arrival(sequence: SequenceView) -> tuple[int]:
    return (sequence.id,)
