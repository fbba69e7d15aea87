"""The header of saved states: what comes back is what went in, and nothing else is taken for it."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.errors import BackendFault
from jackfield_llama.states import room, seal, unseal

if TYPE_CHECKING:
    import numpy.typing as npt

TOKENS = np.arange(7, dtype=np.int32)


def _body(start: int, end: int, *, streams: int = 1, stream: int = 0) -> bytes:
    """As llama.cpp begins a state of plain attention, then some tensors."""
    counts = [end - start if each == stream else 0 for each in range(stream + 1)]
    positions = list(range(start, end))
    cells = b"".join(struct.pack("<iIi", position, 1, 3) for position in positions[::-1])
    return struct.pack(f"<Iii{len(counts)}I", 0x1234, 3, streams, *counts)[: 12 + 4 * len(counts)] + cells + bytes(77)


def _sealed(body: bytes, start: int, end: int, tokens: npt.NDArray[np.int32] = TOKENS) -> memoryview:
    blob = np.empty(room(len(tokens)) + len(body), np.uint8)
    blob[room(len(tokens)) :] = np.frombuffer(body, np.uint8)
    return seal(blob, start, end, tokens)


@given(st.integers(0, 50), st.integers(1, 30), st.integers(1, 4), st.data())
@settings(max_examples=60, deadline=None)
def test_a_state_comes_back(start: int, length: int, streams: int, data: st.DataObject) -> None:
    """With its tokens, however many streams there are, from memory that may only be read."""
    tokens = np.array(data.draw(st.lists(st.integers(0, 2**31 - 1), max_size=9)), np.int32)
    body = _body(start, start + length, streams=streams, stream=data.draw(st.integers(0, streams - 1)))
    state = unseal(memoryview(bytes(_sealed(body, start, start + length, tokens))))
    assert (state.start, state.end, state.body.tobytes()) == (start, start + length, body)
    assert state.tokens.tolist() == tokens.tolist()


@given(st.integers(0, 10_000), st.integers(0, 7))
@settings(max_examples=300, deadline=None)
def test_a_flipped_bit_is_seen(place: int, bit: int) -> None:
    """Wherever it is."""
    state = bytearray(_sealed(_body(2, 9), 2, 9))
    state[place % len(state)] ^= 1 << bit
    with pytest.raises(BackendFault, match="saved state"):
        unseal(memoryview(state))


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_other_bytes_are_no_state(data: bytes) -> None:
    """Nor is what begins like one."""
    for state in (data, b"jfstate1" + data, bytes(_sealed(_body(0, 3), 0, 3))[: len(data)]):
        with pytest.raises(BackendFault, match="saved state"):
            unseal(memoryview(state))


@pytest.mark.parametrize(
    "cells",
    [[(0, 1), (1, 1), (1, 1)], [(0, 1), (1, 1), (3, 1)], [(0, 1), (1, 2), (2, 1)], [(0, 1), (1, 1), (2**32 - 1, 1)]],
    ids=["twice", "beyond", "two sequences", "negative"],
)
def test_cells_that_are_not_those_of_the_positions_are_refused(cells: list[tuple[int, int]]) -> None:
    """Even where the sum is right: llama.cpp would keep books on them."""
    good = _sealed(_body(0, 3), 0, 3)
    forged = np.frombuffer(bytes(good), np.uint8).copy()
    body = forged[room(len(TOKENS)) :]
    body[16:52] = np.frombuffer(b"".join(struct.pack("<III", *cell, 3) for cell in cells), np.uint8)
    whole = len(forged) // 8 * 8
    total = int(forged[16:whole].view("<u8").sum(dtype=np.uint64))
    total += int.from_bytes(forged[whole:].tobytes(), "little")
    struct.pack_into("<Q", forged.data, 8, total % 2**64)
    with pytest.raises(BackendFault, match="other cells"):
        unseal(forged.data)


def test_a_checkpoint_is_no_state() -> None:
    """And the other way round."""
    body = np.zeros(room(0) + 20, np.uint8)
    checkpoint = seal(body, 0, 5, TOKENS[:0], checkpoint=True)
    assert unseal(checkpoint, checkpoint=True).end == 5
    with pytest.raises(BackendFault):
        unseal(checkpoint)
    with pytest.raises(BackendFault):
        unseal(_sealed(_body(0, 3), 0, 3), checkpoint=True)


def test_memory_with_gaps_is_refused() -> None:
    """llama.cpp reads on from an address."""
    state = memoryview(bytes(_sealed(_body(0, 3), 0, 3)) * 2)[::2]
    with pytest.raises(BackendFault):
        unseal(state)
