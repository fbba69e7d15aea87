"""Waiting for calls of plugins that mostly need no waiting.

Most answer without waiting for anything: their coroutine ends at its first step. Then neither a timer nor a task is
needed for them, which cost more than many a call itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Generator
from types import CoroutineType
from typing import Any, TypeVar

T = TypeVar("T")


class _Begun(Awaitable[T]):
    """The rest of a coroutine whose first step waits for *first*."""

    __slots__ = ("_coroutine", "_first")

    def __init__(self, coroutine: Coroutine[Any, Any, T], first: object) -> None:
        self._coroutine = coroutine
        self._first = first

    def __await__(self) -> Generator[Any, Any, T]:
        waited_for = self._first
        try:
            while True:
                try:
                    sent = yield waited_for
                except GeneratorExit:
                    self._coroutine.close()
                    raise
                except BaseException as error:  # noqa: BLE001 -- it is the coroutine's to see, as cancellations are
                    waited_for = self._coroutine.throw(error)
                else:
                    waited_for = self._coroutine.send(sent)
        except StopIteration as end:
            result: T = end.value
            return result


async def answered(call: Awaitable[T], deadline_s: float) -> T:
    """The answer of *call*, which has begun, in this task, when this first waits.

    Parameters:
        call: A coroutine, or anything else that can be awaited.
        deadline_s: How long it may wait.

    Raises:
        TimeoutError: It has waited longer, and was cancelled.
        RuntimeError: It has waited for something else that was cancelled; this task was not.
    """
    try:
        if isinstance(call, CoroutineType):
            try:
                first = call.send(None)
            except StopIteration as end:
                answer: T = end.value
                return answer
            call = _Begun(call, first)
        async with asyncio.timeout(deadline_s):
            return await call
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise RuntimeError("what it was waiting for was cancelled") from error
