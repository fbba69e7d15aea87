"""Slots: numbers of sequences that run at once, as llama-server counts them; a runner's own ids are not so few."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from jackfield.questions import Sequences, SequenceState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jackfield.worker.engine.sequence import Sequence


class SlotBoard:
    """Who runs in which slot: the lowest free one is taken first. Engine loop thread.

    Parameters:
        count: How many sequences run at once.
    """

    def __init__(self, count: int) -> None:
        self._running: list[Sequence | None] = [None] * count

    def take(self, sequence: Sequence) -> None:
        """*sequence* runs."""
        self._running[self._running.index(None)] = sequence

    def leave(self, sequence: Sequence) -> None:
        """*sequence* does not run any more."""
        self._running[self._running.index(sequence)] = None

    def sequences(self, everybody: Iterable[Sequence]) -> Sequences:
        """What runs and waits."""
        now = time.monotonic()
        slots = {sequence: slot for slot, sequence in enumerate(self._running) if sequence is not None}
        return Sequences(
            len(self._running), tuple([_state(sequence, slots.get(sequence, -1), now) for sequence in everybody])
        )


def _state(sequence: Sequence, slot: int, now: float) -> SequenceState:
    request = sequence.request
    return SequenceState(
        id=sequence.id,
        slot=slot,
        state=sequence.life.state.value,
        tenant=sequence.tenant,
        priority=sequence.priority,
        prompt_tokens=len(request.prompt),
        cached_tokens=request.cached or 0,
        generated_tokens=sequence.generated,
        max_tokens=request.ends.max_tokens,
        age_s=now - sequence.arrived,
    )
