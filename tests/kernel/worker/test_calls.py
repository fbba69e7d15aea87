"""How a step is cut into calls where many rows in one call cost more than several calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.lifecycle import RequestState
from jackfield.worker.engine.calls import calls

if TYPE_CHECKING:
    from jackfield.worker.engine.calls import Chunk


class Life:
    """Of an answer."""

    state = RequestState.DECODE


class Planned:
    """A sequence of a step, as far as cutting it goes."""

    suspect = False
    life = Life()


def _chunks(counts: list[int]) -> list[Chunk]:
    return cast("list[Chunk]", [(Planned(), count) for count in counts])


def _rows(counts: list[int], tile_rows: int) -> list[list[int]]:
    cut = calls(_chunks(counts), deterministic=False, tile_rows=tile_rows)
    return [[count for _, count in call] for call in cut]


@pytest.mark.parametrize(
    ("counts", "cut"),
    [
        ([1, 1, 1], [[1, 1, 1]]),
        ([1] * 7, [[1] * 7]),
        ([1] * 8, [[1] * 4, [1] * 4]),
        ([1] * 15, [[1] * 5] * 3),
        ([1, 1, 5], [[1, 1, 5]]),
        ([1, 1, 20], [[1, 1], [20]]),
        ([20, 1, 30, 3], [[1, 3], [20], [30]]),
        ([20], [[20]]),
        ([5, 5, 1, 1], [[5], [5, 1, 1]]),
    ],
)
def test_answers_are_apart_from_prompts(counts: list[int], cut: list[list[int]]) -> None:
    """In calls of fewer than eight rows, as even as they can be, before long prompts, each of which has its own."""
    assert _rows(counts, 8) == cut


def test_a_runner_without_tiles_computes_a_step_at_once() -> None:
    """However many rows it has."""
    assert _rows([1, 500, 7], 0) == [[1, 500, 7]]


@given(counts=st.lists(st.integers(1, 40), max_size=80), tile_rows=st.integers(2, 64))
def test_everything_is_computed_once(counts: list[int], tile_rows: int) -> None:
    """In few calls: of two neighbours that are not full one could not have taken the other."""
    chunks = _chunks(counts)
    cut = calls(chunks, deterministic=False, tile_rows=tile_rows)
    assert sorted(map(id, chunks)) == sorted(id(chunk) for call in cut for chunk in call)
    sizes = [sum(count for _, count in call) for call in cut]
    small = [size for size, call in zip(sizes, cut, strict=True) if size < tile_rows]
    assert all(
        count >= tile_rows for size, call in zip(sizes, cut, strict=True) if size >= tile_rows for _, count in call
    )
    assert len(small) <= 2 * -(-sum(small) // (tile_rows - 1)) + 1
