"""Slots: numbers of sequences that run at once, as llama-server counts them; a runner's own ids are not so few."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from jackfield.errors import InvalidRequest
from jackfield.questions import Sequences, SequenceState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jackfield.worker.engine.sequence import Sequence


class Computed(NamedTuple):
    """What was computed in a slot."""

    scope: bytes | None
    tokens: list[int]
    length: int
    """How many of ``tokens``."""
    holder: int | None = None
    """The runner's id, while it runs."""


class SlotBoard:
    """Who runs in which slot: the lowest free one is taken first. Engine loop thread.

    Parameters:
        count: How many sequences run at once.
    """

    def __init__(self, count: int) -> None:
        self._running: list[Sequence | None] = [None] * count
        self._left: list[Computed | None] = [None] * count

    def take(self, sequence: Sequence) -> None:
        """*sequence* runs: where it wants to, if that is free."""
        slot = sequence.request.standing.slot if sequence.index == 0 else None
        if slot is None or slot >= len(self._running) or self._running[slot] is not None:
            slot = self._running.index(None)
        self._running[slot] = sequence

    def of(self, sequence: Sequence) -> int:
        """Where *sequence* runs."""
        return self._running.index(sequence)

    def leave(self, sequence: Sequence) -> None:
        """*sequence* does not run any more."""
        slot = self._running.index(sequence)
        self._running[slot] = None
        self._left[slot] = Computed(sequence.scope, sequence.tokens, sequence.computed)

    def computed(self, slot: int) -> Computed | None:
        """What was computed last in *slot*; None where nothing was.

        Raises:
            InvalidRequest: There is no such slot.
        """
        if not 0 <= slot < len(self._running):
            raise InvalidRequest(f"there is no slot {slot}: they are 0 to {len(self._running) - 1}", param="id_slot")
        sequence = self._running[slot]
        if sequence is None:
            return self._left[slot]
        return Computed(sequence.scope, sequence.tokens, sequence.computed, sequence.slot)

    def put(self, slot: int, computed: Computed) -> None:
        """*computed* was put back into *slot*, where nothing runs."""
        self._left[slot] = computed

    def forget(self, slot: int) -> None:
        """What was computed last in *slot* is gone."""
        self._left[slot] = None

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
