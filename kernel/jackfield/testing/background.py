"""An event loop in a thread of its own, so that synchronous tests and steps can drive asynchronous parts."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Final, Self, TypeVar

import uvloop

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import TracebackType

T = TypeVar("T")

DEADLINE_S: Final = 60.0
"""Longest that one ``run`` may take; well above anything a scenario waits for, well below the test's own limit."""


class BackgroundLoop:
    """Runs coroutines for threads that have no event loop.

    One thread owns the loop from construction to ``close``; ``run`` may be called by any other thread.
    """

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="jackfield-testing-loop", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[object, object, T], *, timeout_s: float = DEADLINE_S) -> T:
        """Run *coroutine* on the loop and wait for its result.

        Raises:
            TimeoutError: It took longer than *timeout_s*; it has been cancelled.
        """
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise AssertionError("run() would wait for its own thread")
        future = asyncio.run_coroutine_threadsafe(_bounded(coroutine, timeout_s), self._loop)
        return future.result()

    def close(self) -> None:
        """Cancel what still runs, and end the thread."""
        self.run(_cancel_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())


async def _bounded(coroutine: Coroutine[object, object, T], timeout_s: float) -> T:
    async with asyncio.timeout(timeout_s):
        return await coroutine


async def _cancel_others() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
