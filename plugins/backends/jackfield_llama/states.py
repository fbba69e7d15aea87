"""Saved states: llama.cpp's bytes behind a header of ours, by which a damaged or foreign one is known.

llama.cpp checks layers, types and sizes of a state, and answers a short one with a failure. It takes positions as they
come, though, and would keep books on cells that no sequence has. So these are looked at here, and a sum over all bytes
tells a flipped bit. Stores have checksums of their own; the sum costs a tenth of one.

========  =====  ====================================================================================
at byte   bytes  what
========  =====  ====================================================================================
0         8      magic, with the version of this layout
8         8      sum of what follows, in words of 8 bytes, modulo 2⁶⁴
16        4      1 for a checkpoint, else 0
20        4      position of the first token
24        4      position after the last token
28        4      1 if cells and positions are where plain attention writes them, else 0
32        4      number of tokens that follow
36        4      0
40        4 n    tokens from position 0 on; rounded up to 8 bytes
…                llama.cpp's bytes
========  =====  ====================================================================================
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from jackfield.errors import BackendFault

Octets: TypeAlias = npt.NDArray[np.uint8]

_MAGIC: Final = b"jfstate1"
_SUMMED: Final = struct.Struct("<8sQ")
_FIELDS: Final = struct.Struct("<6I")
_HEAD_BYTES: Final = _SUMMED.size + _FIELDS.size
_WORD: Final = 8
_CELL_WORDS: Final = 3
"""Position, number of sequences (1) and sequence of a cell, as ``llama_kv_cache::state_write_meta`` writes them."""
_STREAMS_AT: Final = 2
"""Word with the number of streams, behind magic and sequence; then a number of cells for each stream."""


class SavedState(NamedTuple):
    """A state that was taken apart."""

    start: int
    """Position of its first token."""
    end: int
    """Position after its last token."""
    tokens: npt.NDArray[np.int32]
    """Tokens from position 0 on, or none."""
    body: Octets
    """llama.cpp's bytes."""


def room(tokens: int) -> int:
    """Bytes before llama.cpp's, with so many tokens among them."""
    return _HEAD_BYTES + -(-4 * tokens // _WORD) * _WORD


def seal(blob: Octets, start: int, end: int, tokens: npt.NDArray[np.int32], *, checkpoint: bool = False) -> memoryview:
    """*blob*, which has ``room(len(tokens))`` bytes before llama.cpp's, with its header."""
    body = blob[room(len(tokens)) :]
    plain = not checkpoint and _has_cells(body, start, end)
    blob[_HEAD_BYTES : -len(body)] = 0
    blob[_HEAD_BYTES : _HEAD_BYTES + 4 * len(tokens)] = tokens.astype("<i4", copy=False).view(np.uint8)
    _FIELDS.pack_into(blob.data, _SUMMED.size, checkpoint, start, end, plain, len(tokens), 0)
    _SUMMED.pack_into(blob.data, 0, _MAGIC, _sum(blob[_SUMMED.size :]))
    return blob.data


def unseal(state: memoryview, *, checkpoint: bool = False) -> SavedState:
    """Take *state* apart; nothing is copied.

    Raises:
        BackendFault: It is none, is damaged, or is of the other kind.
    """
    if not state.c_contiguous or state.nbytes < _HEAD_BYTES:
        raise BackendFault("a saved state is too short")
    blob = np.frombuffer(state, np.uint8)
    magic, total = _SUMMED.unpack_from(state)
    kind, start, end, plain, count, _ = _FIELDS.unpack_from(state, _SUMMED.size)
    if magic != _MAGIC or kind != checkpoint or room(count) >= len(blob) or total != _sum(blob[_SUMMED.size :]):
        raise BackendFault("a saved state is damaged, or none of this backend")
    body = blob[room(count) :]
    if plain and not _has_cells(body, start, end):
        raise BackendFault("a saved state has other cells than it says")
    tokens = blob[_HEAD_BYTES : _HEAD_BYTES + 4 * count].view("<i4").astype(np.int32, copy=False)
    return SavedState(start, end, tokens, body)


def _sum(data: Octets) -> int:
    whole = len(data) // _WORD * _WORD
    words = int(np.add.reduce(data[:whole].view("<u8"), dtype=np.uint64))
    return (words + int.from_bytes(data[whole:].tobytes(), "little")) % 2**64


def _has_cells(body: Octets, start: int, end: int) -> bool:
    """Whether the first cells in *body* are those of positions *start* to *end* - 1, one each."""
    words = body[: len(body) // 4 * 4].view("<u4")
    if len(words) <= _STREAMS_AT:
        return False
    counts = words[_STREAMS_AT + 1 :][: int(words[_STREAMS_AT])]
    filled = counts.nonzero()[0]
    if not len(filled) or counts[filled[0]] != end - start:
        return False
    first = _STREAMS_AT + 2 + int(filled[0])
    cells = words[first : first + _CELL_WORDS * (end - start)]
    if len(cells) != _CELL_WORDS * (end - start):
        return False
    positions, sequences, _ = cells.reshape(-1, _CELL_WORDS).T
    return bool((sequences == 1).all() and (np.sort(positions) == np.arange(start, end)).all())
