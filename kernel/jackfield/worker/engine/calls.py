"""How a step is cut into calls of the backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from jackfield.lifecycle import RequestState

if TYPE_CHECKING:
    from jackfield.worker.engine.sequence import Sequence

Chunk: TypeAlias = "tuple[Sequence, int]"
"""A sequence, and how many of its tokens are computed."""

SCORED_ROWS_MAX: Final = 64
"""Rows of a step whose logits are kept to score prompts: at a vocabulary of 152 k they take 39 MB."""


def bounded(chunks: list[Chunk]) -> list[Chunk]:
    """*chunks* with so few rows of prompts to be scored as a step may have. What is left out comes later."""
    if not any(sequence.unscored for sequence, _ in chunks):
        return chunks
    left = SCORED_ROWS_MAX
    kept: list[Chunk] = []
    for sequence, planned in chunks:
        count = planned
        if sequence.unscored:
            count = min(planned, left)
            left -= count
        if count:
            kept.append((sequence, count))
    return kept


def calls(chunks: list[Chunk], *, deterministic: bool) -> list[list[Chunk]]:
    """The backend calls of a step: one for all, and one for each sequence that was in a call that failed.

    Parameters:
        chunks: What the step computes.
        deterministic: Also one for each that has several rows or is in prefill, and one for all other decode rows: in a
            shared call the library would cut prefills where others end.
    """
    shared: list[Chunk] = []
    alone: list[list[Chunk]] = []
    for chunk in chunks:
        sequence, count = chunk
        if sequence.suspect or (deterministic and (count > 1 or sequence.life.state is not RequestState.DECODE)):
            alone.append([chunk])
        else:
            shared.append(chunk)
    return [shared, *alone] if shared else alone
