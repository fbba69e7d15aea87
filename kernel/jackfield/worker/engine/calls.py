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


def calls(chunks: list[Chunk], *, deterministic: bool, tile_rows: int) -> list[list[Chunk]]:
    """The backend calls of a step: as few as pay, and one for each sequence that was in a call that failed.

    Parameters:
        chunks: What the step computes.
        deterministic: Also one for each that has several rows or is in prefill, and one for all other decode rows: in a
            shared call the library would cut prefills where others end.
        tile_rows: The runner's limit of that name.
    """
    shared: list[Chunk] = []
    alone: list[list[Chunk]] = []
    for chunk in chunks:
        sequence, count = chunk
        if sequence.suspect or (deterministic and (count > 1 or sequence.life.state is not RequestState.DECODE)):
            alone.append([chunk])
        else:
            shared.append(chunk)
    return [*_crowds(shared, tile_rows), *alone]


def _crowds(chunks: list[Chunk], tile_rows: int) -> list[list[Chunk]]:
    """*chunks* in calls: small ones in calls of less than *tile_rows* rows, then each large one.

    Tokens can be sent after each call. So answers come first, and a prompt's first token waits for no other prompt: one
    call for several long ones would hardly be faster.
    """
    if not tile_rows or sum([count for _, count in chunks]) < tile_rows:
        return [chunks] if chunks else []
    small = [chunk for chunk in chunks if chunk[1] < tile_rows]
    return [*_packed(small, tile_rows - 1), *[[chunk] for chunk in chunks if chunk[1] >= tile_rows]]


def _packed(chunks: list[Chunk], most: int) -> list[list[Chunk]]:
    """*chunks*, each of *most* rows or less, in calls of no more than that; as even as their order allows."""
    left = sum([count for _, count in chunks])
    packed: list[list[Chunk]] = []
    room = 0
    for chunk in chunks:
        if room < chunk[1]:
            packed.append([])
            room = min(most, max(chunk[1], -(-left // -(-left // most))))
        packed[-1].append(chunk)
        room -= chunk[1]
        left -= chunk[1]
    return packed
