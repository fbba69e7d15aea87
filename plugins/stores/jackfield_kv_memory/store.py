"""The store: which states there are, in order of their use, and which blocks they take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from jackfield.ports.kv_store import StoreUsage
from jackfield_kv_memory.arena import BLOCK_BYTES, Arena, blocks_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jackfield.ports.kv_store import StateKey

ENTRY_BYTES: Final = 512
"""What an entry takes beside its tokens and blocks: key, dictionary, list of blocks. Measured, rounded up."""

KEPT_BUFFER_MAX: Final = 64 << 20
"""Largest buffer that is kept for the next ``get``."""


class _Entry(NamedTuple):
    blocks: Sequence[int]
    size: int
    cost: int


class MemoryStore:
    """A ``KVStore`` that ends with its process.

    Parameters:
        limit: Most bytes of all entries, keys and unused ends of blocks included.

    Memory that was taken from the system once is kept for later states until ``clear`` or ``close``.
    """

    blocking = False

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._arena = Arena(limit)
        self._entries: dict[StateKey, _Entry] = {}
        self._used = 0
        self._buffer = bytearray(1)

    def open(self, layout: str) -> Iterable[StateKey]:  # noqa: ARG002  nothing is here from an earlier life
        """Begin, empty."""
        self._arena.prepare()
        return ()

    def put(self, key: StateKey, state: memoryview) -> bool:
        """Copy *state*; the least recently used make room."""
        self.drop(key)
        data = state.cast("B")
        cost = _cost(key, len(data))
        if cost > self._limit:
            return False
        while self._used + cost > self._limit:
            self.drop(next(iter(self._entries)))
        self._entries[key] = _Entry(self._arena.write(data), len(data), cost)
        self._used += cost
        return True

    def get(self, key: StateKey) -> memoryview | None:
        """A copy of the state, which nobody changes as long as somebody looks at it."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return None
        self._entries[key] = entry  # behind all others: used last
        state = memoryview(self._unread_buffer(entry.size))[: entry.size]
        self._arena.read(entry.blocks, state)
        return state.toreadonly()

    def drop(self, key: StateKey) -> None:
        """Forget *key*."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._used -= entry.cost
            self._arena.free(entry.blocks)

    def clear(self) -> None:
        """Forget everything, and give the memory back."""
        self._entries.clear()
        self._used = 0
        self._arena.close()
        self._buffer = bytearray(1)

    def refresh(self) -> Iterable[StateKey]:
        """Nothing comes by itself."""
        return ()

    def usage(self) -> StoreUsage:
        """How full it is."""
        return StoreUsage(entries=len(self._entries), used_bytes=self._used, limit_bytes=self._limit)

    def close(self) -> None:
        """Give the memory back."""
        self.clear()

    def _unread_buffer(self, size: int) -> bytearray:
        """A buffer of at least *size* bytes that nobody looks at: the last one again, if that can be."""
        if size > len(self._buffer) or _is_viewed(self._buffer):
            buffer = bytearray(max(size, 1))
            if size <= KEPT_BUFFER_MAX:
                self._buffer = buffer
            return buffer
        return self._buffer


def _is_viewed(buffer: bytearray) -> bool:
    """Whether a memoryview of *buffer*, which is not empty, is there: Python then refuses to change its length."""
    try:
        buffer.append(buffer.pop())
    except BufferError:
        return True
    return False


def _cost(key: StateKey, size: int) -> int:
    return blocks_of(size) * BLOCK_BYTES + len(key.tokens) + ENTRY_BYTES
