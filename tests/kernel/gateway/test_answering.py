"""Calls of plugins that answer at once, later, or never."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from jackfield.gateway.answering import answered

if TYPE_CHECKING:
    from collections.abc import Awaitable

FOREVER_S = 1e6


async def at_once() -> str:
    """Waits for nothing."""
    return "at once"


async def later() -> str:
    """Waits for several things, one of which fails."""
    await asyncio.sleep(0)
    failing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    failing.set_exception(KeyError("no"))
    try:
        await failing
    except KeyError:
        await asyncio.gather(asyncio.sleep(0), asyncio.sleep(0))
    async with asyncio.timeout(FOREVER_S):
        await asyncio.sleep(0.001)
    return "later"


async def fails(wait: bool) -> str:  # noqa: FBT001
    """Raises, before or after it has waited."""
    if wait:
        await asyncio.sleep(0)
    raise KeyError("no")


def test_answers_come_whenever_they_come() -> None:
    """Of coroutines, tasks and futures."""

    async def scenario() -> list[str]:
        calls: list[Awaitable[str]] = [at_once(), later(), asyncio.ensure_future(later())]
        return [await answered(call, FOREVER_S) for call in calls]

    assert asyncio.run(scenario()) == ["at once", "later", "later"]


@pytest.mark.parametrize("wait", [False, True])
def test_what_is_raised_is_raised(wait: bool) -> None:  # noqa: FBT001
    """Before and after waiting."""
    with pytest.raises(KeyError):
        asyncio.run(answered(fails(wait), FOREVER_S))


def test_whoever_never_answers_is_cancelled() -> None:
    """And may clean up."""
    left: list[str] = []

    async def never() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(0)
            left.append("clean")

    with pytest.raises(TimeoutError):
        asyncio.run(answered(never(), 0.0))
    assert left == ["clean"]


def test_a_cancelled_caller_cancels_the_call() -> None:
    """As if it had awaited it itself."""

    async def scenario() -> str:
        left = asyncio.Event()
        begun = asyncio.Event()

        async def never() -> None:
            begun.set()
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                left.set()

        task = asyncio.ensure_future(answered(never(), FOREVER_S))
        await begun.wait()
        task.cancel()
        await left.wait()
        with pytest.raises(asyncio.CancelledError):
            await task
        return "cancelled"

    assert asyncio.run(scenario()) == "cancelled"
