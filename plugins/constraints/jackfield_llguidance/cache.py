"""What was compiled or refused, kept for the next request: the least recently used go first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class BoundedCache(Generic[Key, Value]):
    """Bounded by entries and by bytes. Any thread.

    Parameters:
        entries: Most entries.
        size: Most bytes of all entries; one that is larger than that alone is not kept.
    """

    def __init__(self, entries: int, size: int) -> None:
        self._entries = entries
        self._size = size
        self._kept: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._used = 0
        self._lock = threading.Lock()

    def get(self, key: Key) -> Value | None:
        """What was put there, if it is still kept."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            self._kept.move_to_end(key)
            return found[0]

    def put(self, key: Key, value: Value, size: int) -> None:
        """Keep *value*, which takes *size* bytes."""
        with self._lock:
            self._used += size - self._kept.pop(key, (value, 0))[1]
            self._kept[key] = (value, size)
            while self._kept and (len(self._kept) > self._entries or self._used > self._size):
                _, (_, freed) = self._kept.popitem(last=False)
                self._used -= freed
