"""The thread that talks to slow stores, so that the engine loop never waits for a disk."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

BACKLOG_MAX: Final = 256 * 1024 * 1024
"""Bytes of states that may wait to be written. What comes when a disk is that far behind is not kept there."""


READS_MAX: Final = 64
"""Reads that may wait. A store that is that far behind hangs, and nobody waits for it."""


class StoreThread:
    """Calls functions one after another; reads go before all else, which keeps its order. Engine loop thread."""

    def __init__(self) -> None:
        self._queue: queue.PriorityQueue[tuple[int, int, Callable[[], None] | None, int]] = queue.PriorityQueue()
        self._number = 0
        self._waiting = 0
        self._reads = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="kv-stores", daemon=True)
        self._thread.start()

    def ask(self, call: Callable[[], None]) -> bool:
        """Have *call*, which reads, called soon; False if too many wait already."""
        with self._lock:
            if self._reads >= READS_MAX:
                return False
            self._reads += 1
        self._add(_SOON, call, 0)
        return True

    def later(self, call: Callable[[], None]) -> None:
        """Have *call* called after what is to be written."""
        self._add(_LATER, call, 0)

    def put(self, call: Callable[[], None], nbytes: int) -> bool:
        """Have *call*, which writes *nbytes*, called; False if too much waits already."""
        with self._lock:
            if self._waiting + nbytes > BACKLOG_MAX:
                return False
            self._waiting += nbytes
        self._add(_LATER, call, nbytes)
        return True

    def close(self) -> None:
        """Do what was asked for, then end the thread."""
        self._add(_LAST, None, 0)
        self._thread.join()

    def _add(self, when: int, call: Callable[[], None] | None, nbytes: int) -> None:
        self._number += 1
        self._queue.put((when, self._number, call, nbytes))

    def _run(self) -> None:
        while True:
            when, _, call, nbytes = self._queue.get()
            if call is None:
                return
            call()
            with self._lock:
                self._waiting -= nbytes
                self._reads -= when == _SOON


_SOON: Final = 0
_LATER: Final = 1
_LAST: Final = 2
