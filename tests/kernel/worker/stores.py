"""KV stores for tests: in memory, and as bad as asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.ports.kv_store import StoreUsage

if TYPE_CHECKING:
    import random

    from jackfield.ports.kv_store import StateKey


class DictStore:
    """Keeps states in a dictionary.

    Parameters:
        blocking: Whether it says that it may take long.
        generator: Decides whether a call fails; None never does.
        faults: How often.
        limit: Most entries; the oldest makes way.
    """

    def __init__(
        self,
        *,
        blocking: bool = False,
        generator: random.Random | None = None,
        faults: float = 0.0,
        limit: int = 1_000_000,
    ) -> None:
        self.blocking = blocking
        self.entries: dict[StateKey, bytes] = {}
        self.closed = False
        self.layout = ""
        self._generator = generator
        self._faults = faults
        self._limit = limit

    def open(self, layout: str) -> list[StateKey]:
        """What an earlier test left."""
        self.layout = layout
        self.closed = False
        return list(self.entries)

    def put(self, key: StateKey, state: memoryview) -> bool:
        """Copies."""
        if self._fails("put"):
            return False
        self.entries.pop(key, None)
        self.entries[key] = bytes(state)
        while len(self.entries) > self._limit:
            del self.entries[next(iter(self.entries))]
        return True

    def get(self, key: StateKey) -> memoryview | None:
        """Copies."""
        if self._fails("get"):
            return None
        found = self.entries.get(key)
        return None if found is None else memoryview(bytearray(found))

    def drop(self, key: StateKey) -> None:
        """Forgets one."""
        self.entries.pop(key, None)

    def clear(self) -> None:
        """Forgets all."""
        self.entries.clear()

    def usage(self) -> StoreUsage:
        """By the bytes of the entries."""
        used = sum(map(len, self.entries.values()))
        return StoreUsage(entries=len(self.entries), used_bytes=used, limit_bytes=1 << 30)

    def close(self) -> None:
        """Keeps its entries, for another life."""
        assert not self.closed
        self.closed = True

    def _fails(self, method: str) -> bool:
        """Whether it has lost what it is asked about; half of its failures are exceptions."""
        if self._generator is None or self._generator.random() >= self._faults:
            return False
        if self._generator.random() < 0.5:
            raise OSError(method)
        return True
