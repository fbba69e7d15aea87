"""Token ids as bytes, so that long runs of them are cut and compared at the speed of memory."""

from __future__ import annotations

import sys
from array import array
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

TOKEN_BYTES: Final = 4
"""Each token is a little-endian int32, as in ``StateKey.tokens``."""


def packed(tokens: Iterable[int]) -> bytes:
    """*tokens* as bytes."""
    column = array("i", tokens)
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()


def unpacked(tokens: bytes) -> list[int]:
    """What ``packed`` made bytes of."""
    column = array("i", tokens)
    if sys.byteorder == "big":
        column.byteswap()
    return column.tolist()


def common(left: bytes, right: bytes, offset: int = 0) -> int:
    """How many tokens *left* has in common with what *right* has from token *offset* on.

    Compares all first, since most often all is the same; then halves.
    """
    begin = offset * TOKEN_BYTES
    room = min(len(left), len(right) - begin) // TOKEN_BYTES
    if room <= 0:
        return 0
    if left[: room * TOKEN_BYTES] == right[begin : begin + room * TOKEN_BYTES]:
        return room
    low, high = 0, room  # the first `low` are the same, the first `high` are not
    while high - low > 1:
        middle = (low + high) // 2
        cut = slice(low * TOKEN_BYTES, middle * TOKEN_BYTES)
        if left[cut] == right[begin + cut.start : begin + cut.stop]:
            low = middle
        else:
            high = middle
    return low
