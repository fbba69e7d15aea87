"""First come, first served: continuous batching with chunked prefill."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.ports.scheduler import Chunk, StepPlan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.ports.scheduler import SchedulerView, SequenceView


class FcfsScheduler:
    """Serves sequences in the order they arrived.

    Parameters:
        step_tokens: Most tokens of a step; None takes all the backend allows. Never less than one per running answer.

    Every running answer gets its one token first, so a prompt that comes in never stalls one; what is left of the step
    goes to prompts, one after another and oldest first, since interleaved prompts would all see their first token late.
    When cells run short the youngest gives way to the oldest, and is computed anew when there is room.
    """

    def __init__(self, step_tokens: int | None) -> None:
        self._step_tokens = step_tokens

    def plan(self, view: SchedulerView) -> StepPlan:
        """The next step; see ``jackfield.ports.scheduler.Scheduler``."""
        running = sorted(view.running, key=_arrival)
        budget = min(view.max_tokens, max(self._step_tokens or view.max_tokens, len(running)))
        preempt, cells = _make_room(running, view.free_tokens)
        chunks: list[Chunk] = []
        for sequence in _decoding_first(running):
            budget, cells = _grant(chunks, sequence, budget, cells)
        if not preempt:  # room that was just made belongs to those who run
            cells -= sum(sequence.pending for sequence in running) - sum(chunk.tokens for chunk in chunks)
            _start_waiting(chunks, view, budget, cells)
        return StepPlan(chunks, preempt)


def _arrival(sequence: SequenceView) -> int:
    return sequence.id


def _decoding_first(running: Sequence[SequenceView]) -> list[SequenceView]:
    return sorted(running, key=lambda sequence: sequence.pending > 1)


def _make_room(running: list[SequenceView], cells: int) -> tuple[list[int], int]:
    """Take sequences from the young end of *running* until each of the others can have a token.

    Returns:
        Ids of the preempted, and the cells that are free then.
    """
    preempt: list[int] = []
    while len(running) > 1 and cells < len(running):
        youngest = running.pop()
        preempt.append(youngest.id)
        cells += youngest.computed
    return preempt, cells


def _grant(chunks: list[Chunk], sequence: SequenceView, budget: int, cells: int) -> tuple[int, int]:
    """Give *sequence* what it needs of what is left; return what is left then."""
    tokens = min(sequence.pending, budget, cells)
    if tokens > 0:
        chunks.append(Chunk(sequence.id, tokens))
    return budget - tokens, cells - tokens


def _start_waiting(chunks: list[Chunk], view: SchedulerView, budget: int, cells: int) -> None:
    """Start waiting sequences, oldest first, while slot, step and pool have room for the whole prompt and a token more.

    One that does not fit holds back those behind it: passing it over would let short prompts starve a long one.
    """
    slots = view.free_slots
    headroom = len(view.running)
    for sequence in view.waiting:
        if slots < 1 or budget < 1 or cells < sequence.pending + 1 + headroom:
            return
        budget, _ = _grant(chunks, sequence, budget, cells)
        cells -= sequence.pending
        slots -= 1
        headroom += 1
