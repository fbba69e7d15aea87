"""Memory in blocks of one size, taken from the system once and used again and again.

States of many megabytes come and go all the time. Fresh memory for each would cost far more than the copy itself: the
system clears every page when it is touched first. Blocks of one size never leave holes that nothing fits. What is taken
from the system is touched ahead of its use, by a thread of its own.
"""

from __future__ import annotations

import ctypes
import mmap
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

BLOCK_BYTES: Final = 32 * 1024
"""A state wastes half a block on average; each block of it costs a copy of its own."""

SEGMENT_BYTES: Final = 16 << 20
"""How much is taken from the system at a time, at most."""

_POPULATE_WRITE: Final = 23
"""``MADV_POPULATE_WRITE`` of ``madvise(2)``, Linux 5.14."""


class Arena:
    """Blocks, each with a number. One thread.

    Parameters:
        limit: Most bytes of all blocks that are ever in use at a time.
    """

    def __init__(self, limit: int) -> None:
        self._segment_blocks = min(SEGMENT_BYTES // BLOCK_BYTES, max(1, blocks_of(limit)))
        self._segments_max = -(-blocks_of(limit) // self._segment_blocks)
        self._segments: list[memoryview] = []
        self._next: _Segment | None = None
        self._free: list[int] = []

    def prepare(self) -> None:
        """Have the next segment touched, where there may be one more."""
        if self._next is None and len(self._segments) < self._segments_max:
            self._next = _Segment(self._segment_blocks * BLOCK_BYTES)

    def write(self, data: memoryview) -> Sequence[int]:
        """Copy *data* (bytes, contiguous) into as many blocks as it needs; returns their numbers, in order."""
        count = blocks_of(len(data))
        while len(self._free) < count:
            self._grow()
        kept = len(self._free) - count
        taken = self._free[kept:]
        del self._free[kept:]
        for index, block in enumerate(taken):
            part = data[index * BLOCK_BYTES : (index + 1) * BLOCK_BYTES]
            segment, start = self._place(block)
            segment[start : start + len(part)] = part
        return taken

    def read(self, blocks: Sequence[int], into: memoryview) -> None:
        """Copy what *blocks* hold into the bytes *into*, as many as fit there."""
        size = len(into)
        for index, block in enumerate(blocks):
            begin = index * BLOCK_BYTES
            end = min(size, begin + BLOCK_BYTES)
            segment, start = self._place(block)
            into[begin:end] = segment[start : start + end - begin]

    def free(self, blocks: Sequence[int]) -> None:
        """*blocks* can be used again."""
        self._free += blocks

    def close(self) -> None:
        """Give everything back to the system."""
        self._segments.clear()
        self._free.clear()
        self._next = None

    def _grow(self) -> None:
        segment, self._next = self._next or _Segment(self._segment_blocks * BLOCK_BYTES), None
        first = len(self._segments) * self._segment_blocks
        self._segments.append(segment.memory)
        # below what is free already, which was touched before
        self._free[:0] = range(first, first + self._segment_blocks)
        self.prepare()

    def _place(self, block: int) -> tuple[memoryview, int]:
        segment, index = divmod(block, self._segment_blocks)
        return self._segments[segment], index * BLOCK_BYTES


class _Segment:
    """Fresh memory, which can be used at once: touching it changes nothing in it."""

    def __init__(self, size: int) -> None:
        self._mapped = mmap.mmap(-1, size)
        self.memory = memoryview(self._mapped)
        threading.Thread(target=self._touch, name="kv-memory", daemon=True).start()

    def _touch(self) -> None:
        # mmap's own method would keep the GIL; a system that does not know the advice leaves it to the first use
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._mapped))
        ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(len(self._mapped)), _POPULATE_WRITE)


def blocks_of(size: int) -> int:
    """How many blocks *size* bytes take."""
    return -(-size // BLOCK_BYTES)
