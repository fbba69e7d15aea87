"""Memory of large request bodies is given back soon after they were served."""

from __future__ import annotations

import asyncio
import gc
from typing import Final

LARGE_BYTES: Final = 1024 * 1024
"""A body from this size on is worth a collection; ordinary requests never trigger one."""

SOON_S: Final = 0.5
"""Large bodies that end within this time share one collection. It takes milliseconds: start-up's objects are frozen."""


class LargeBodies:
    """Collects garbage after large bodies.

    aiohttp's requests are reference cycles, and a gateway at rest makes too little garbage for Python to look for
    them: a few bodies of 16 MiB would stay until some later burst. Event loop thread.
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
