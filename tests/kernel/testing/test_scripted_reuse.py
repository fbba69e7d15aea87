"""The scripted backend's prefixes: each kind is held to its own rules, and what breaks them is remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jackfield.errors import BackendFault, KVExhausted
from jackfield.ports.backend import Reuse, RunnerLimits
from jackfield.testing.scripted_reuse import ScriptedCells

if TYPE_CHECKING:
    from collections.abc import Callable

WORD = [ord(letter) for letter in "prefix"]


def _cells(reuse: Reuse, *fails: str, room: int = 20) -> ScriptedCells:
    limits = RunnerLimits(
        context=20, max_sequences=2, kv_tokens=room, max_batch_tokens=8, spare_sequences=2, reuse=reuse
    )
    cells = ScriptedCells(limits, fails)
    for token in WORD:
        cells.append(0, token)
    return cells


def test_copies_share_cells_where_ranges_can_be_had() -> None:
    """And only there; a cell is free when its last user is gone."""
    cells = _cells("ranges")
    cells.copy(0, 3, 4)
    assert (cells.cells[3], cells.cells_used) == (WORD[:4], 6)
    cells.drop(0, 0, 6)
    assert cells.cells_used == 4
    cells.cut(3, 0)
    assert (cells.cells, cells.cells_used) == ({}, 0)
    whole = _cells("whole")
    whole.copy(0, 3, 4)
    assert whole.cells_used == 10
    assert not cells.misuses + whole.misuses


def test_a_range_is_restored_behind_what_was_before_it() -> None:
    """Up to any length within; behind other tokens it is a misuse, and the sequence is lost."""
    cells = _cells("ranges")
    state = cells.save(0, 2, 6)
    cells.copy(0, 1, 2)
    cells.restore(1, state, 5)
    assert cells.cells[1] == WORD[:5]
    cells.append(2, WORD[0])
    with pytest.raises(BackendFault, match="not those before the state"):
        cells.restore(2, state, 6)
    assert 2 not in cells.cells
    assert len(cells.misuses) == 1


def test_a_checkpoint_leads_back_to_where_it_was_taken() -> None:
    """Of a continuation of that sequence, and to nowhere else."""
    cells = _cells("checkpoints")
    checkpoint = cells.checkpoint(0)
    cells.append(0, 1)
    cells.rewind(0, checkpoint, 6)
    assert cells.cells[0] == WORD
    cells.copy(0, 1, 6)
    cells.append(1, 2)
    with pytest.raises(BackendFault, match="continuation"):
        cells.rewind(1, checkpoint, 5)
    assert 1 not in cells.cells


@pytest.mark.parametrize("reuse", ["checkpoints", "whole", "ranges"])
def test_a_state_of_all_comes_back_to_an_empty_sequence(reuse: Reuse) -> None:
    """In another pool, where there is room; where there is none, nothing changes."""
    state = _cells(reuse).save(0, 0, 6)
    other = _cells(reuse, room=11)
    with pytest.raises(KVExhausted):
        other.restore(1, state, 6)
    assert other.cells == {0: WORD}
    other.drop(0, 0, 6)
    other.restore(1, state, 6)
    assert other.cells == {1: WORD}
    assert not other.misuses


def test_what_a_kind_cannot_do_is_refused_and_remembered() -> None:
    """The engine would only compute anew and say nothing."""
    whole, checkpoints, none = _cells("whole"), _cells("checkpoints"), _cells("none")
    state, full = whole.save(0, 0, 6), checkpoints.save(0, 0, 6)
    refused: list[Callable[[], object]] = [
        lambda: whole.save(0, 1, 6),
        lambda: whole.checkpoint(0),
        lambda: whole.restore(0, state, 6),
        lambda: whole.copy(0, 9, 6),
        lambda: whole.copy(0, 1, 7),
        lambda: whole.rewind(1, state, 6),
        lambda: checkpoints.copy(0, 1, 5),
        lambda: checkpoints.restore(1, full, 5),
        lambda: checkpoints.save(0, 0, 5),
        lambda: checkpoints.cut(0, 5),
        lambda: none.copy(0, 1, 6),
    ]
    for each in refused:
        with pytest.raises(BackendFault, match="cannot do this"):
            each()
    assert [len(cells.misuses) for cells in (whole, checkpoints, none)] == [6, 4, 1]


@pytest.mark.parametrize("kept", [slice(-1), slice(3), slice(0), slice(None, None, -1)], ids=str)
def test_a_damaged_state_leaves_the_sequence_empty(kept: slice) -> None:
    """As a library would that writes before it looks."""
    cells = _cells("ranges")
    state = bytes(cells.save(0, 3, 6))
    cells.copy(0, 1, 3)
    with pytest.raises(BackendFault, match="damaged"):
        cells.restore(1, memoryview(state[kept]), 6)
    assert 1 not in cells.cells


@pytest.mark.parametrize("method", ["copy", "cut", "save", "restore", "checkpoint", "rewind"])
def test_it_fails_where_it_is_told_to(method: str) -> None:
    """Only there, and it is nobody's misuse."""
    reuse: Reuse = "checkpoints" if method in {"checkpoint", "rewind"} else "ranges"
    well, cells = _cells(reuse), _cells(reuse, method)
    state = well.checkpoint(0) if reuse == "checkpoints" else well.save(0, 0, 6)
    arguments = {"copy": (0, 1, 6), "cut": (0, 3), "save": (0, 0, 6), "restore": (1, state, 6), "checkpoint": (0,)}
    with pytest.raises(BackendFault, match=f"told to fail at {method}"):
        getattr(cells, method)(*arguments.get(method, (0, state, 6)))
    assert not cells.misuses
