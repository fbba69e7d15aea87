"""Memory of large request bodies is given back soon after they were served."""

from __future__ import annotations

import asyncio
import ctypes
import gc
from typing import Final

LARGE_BYTES: Final = 1024 * 1024
"""A body from this size on is worth a collection; ordinary requests never trigger one."""

SOON_S: Final = 0.5
"""Large bodies that end within this time share one collection. It takes milliseconds: start-up's objects are frozen."""


_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
"""``malloc_trim(3)`` of glibc; other C libraries have none, and none of its habit."""


class LargeBodies:
    """Collects garbage after large bodies, and gives its memory back to the system.

    aiohttp's requests are reference cycles, and a gateway at rest makes too little garbage for Python to look for
    them: a few bodies of 16 MiB would stay until some later burst. Bodies that never arrived whole are many small
    pieces besides, which glibc keeps as long as anything lives behind them on the heap. Event loop thread.
    """

    __slots__ = ("_due",)

    def __init__(self) -> None:
        self._due = False

    def served(self, size: int) -> None:
        """A request with a body of *size* bytes has ended."""
        if size >= LARGE_BYTES and not self._due:
            self._due = True
            asyncio.get_running_loop().call_later(SOON_S, self._collect)

    def _collect(self) -> None:
        self._due = False
        gc.collect()
        if _trim is not None:
            _trim(0)
