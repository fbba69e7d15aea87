"""The background loop: results, errors and deadlines reach the caller, and nothing outlives it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from jackfield.testing.background import BackgroundLoop


def test_results_and_errors_come_back() -> None:
    """As if the coroutine had been awaited here."""

    async def give(value: int) -> int:
        return 7 // value

    with BackgroundLoop() as loop:
        assert loop.run(give(1)) == 7
        with pytest.raises(ZeroDivisionError):
            loop.run(give(0))


def test_a_deadline_cancels() -> None:
    """What takes too long is cancelled, not left running."""
    cancelled = threading.Event()

    async def linger() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with BackgroundLoop() as loop:
        with pytest.raises(TimeoutError):
            loop.run(linger(), timeout_s=0.01)
        assert cancelled.is_set()


def test_it_cannot_wait_for_itself() -> None:
    """Called on its own thread it would never return."""

    async def nested(loop: BackgroundLoop) -> None:
        loop.run(asyncio.sleep(0))

    with BackgroundLoop() as loop, pytest.raises(AssertionError, match="its own thread"):
        loop.run(nested(loop))


def test_close_cancels_what_still_runs() -> None:
    """Nothing is left for the interpreter to complain about."""
    tasks: list[asyncio.Task[bool]] = []

    async def leave_behind() -> None:
        tasks.append(asyncio.create_task(asyncio.Event().wait()))

    with BackgroundLoop() as loop:
        loop.run(leave_behind())
    assert tasks[0].cancelled()
    assert not any(thread.name == "jackfield-testing-loop" and not thread.daemon for thread in threading.enumerate())
