"""What the gateway computes for one call: the events of one request, or of several prompts side by side."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import aclosing
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from jackfield.errors import ClientError, ContextLengthExceeded, InternalError, QueueFull
from jackfield.types import Finished, PromptProgress, ReasoningDelta, Started, TextDelta, ToolCallDelta

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from jackfield.context import RequestContext
    from jackfield.ports.frontend import Gateway
    from jackfield.types import GenerateEvent, GenerateRequest

Delta: TypeAlias = TextDelta | ReasoningDelta | ToolCallDelta
Output: TypeAlias = Delta | Finished
"""What has something to show, whatever was asked for."""

AT_ONCE: Final = 8
"""Most prompts of one call that are computed at once: as many as a model runs by default, so that one client's long
list does not fill the queue that all clients share."""


def outputs(
    gateway: Gateway, context: RequestContext, requests: Sequence[GenerateRequest]
) -> AsyncGenerator[GenerateEvent, None]:
    """The events of *requests*, which are alike in all but their prompts, with the indexes of the whole call.

    Raises:
        JackfieldError: As ``Gateway.generate``; one request that fails ends them all.
    """
    if len(requests) == 1:
        return gateway.generate(context, requests[0])
    return _SideBySide(gateway, context, requests).events()


async def next_output(events: AsyncGenerator[GenerateEvent, None]) -> Output:
    """The next event with a result.

    That a worker has accepted a request is none: a refusal can still be a status. Nor is a prompt's progress.

    Raises:
        InternalError: There is none.
        JackfieldError: As ``Gateway.generate``.
    """
    async for event in events:
        if not isinstance(event, Started | PromptProgress):
            return event
    raise InternalError("generation ended without a result")


class _SideBySide:
    """Several requests, up to ``AT_ONCE`` of them at a time; where the queue has not room for so many, fewer."""

    def __init__(self, gateway: Gateway, context: RequestContext, requests: Sequence[GenerateRequest]) -> None:
        self._gateway = gateway
        self._context = context
        self._waiting = deque(enumerate(requests))
        self._each = requests[0].n
        self._left = len(requests) * self._each
        self._running = min(AT_ONCE, len(requests))
        # a bound, so that a client that reads slowly holds the generators back
        self._events: asyncio.Queue[GenerateEvent | Exception] = asyncio.Queue(AT_ONCE)

    async def events(self) -> AsyncGenerator[GenerateEvent, None]:
        """All events, as they come; one ``Started`` for each request."""
        tasks = [asyncio.create_task(self._serve()) for _ in range(self._running)]
        try:
            while self._left:
                event = await self._events.get()
                if isinstance(event, Exception):
                    raise event
                self._left -= isinstance(event, Finished)
                yield event
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self) -> None:
        """Compute one request after the other until none waits."""
        while self._waiting:
            number, request = self._waiting.popleft()
            try:
                await self._one(number * self._each, request)
            except QueueFull as error:
                if self._running == 1:
                    await self._events.put(error)
                    return
                # the others hold the places that this one waits for
                self._waiting.appendleft((number, request))
                self._running -= 1
                self._context.code = None
                return
            except ClientError as error:
                await self._events.put(_of_prompt(error, number))
                return
            except Exception as error:  # noqa: BLE001 -- the reader raises it
                await self._events.put(error)
                return
        self._running -= 1

    async def _one(self, first: int, request: GenerateRequest) -> None:
        left = self._each
        async with aclosing(self._gateway.generate(self._context, request)) as events:
            async for event in events:
                left -= isinstance(event, Finished)
                await self._events.put(msgspec.structs.replace(event, index=first + event.index))
        if left:
            raise InternalError("generation ended without a result")


def _of_prompt(error: ClientError, number: int) -> ClientError:
    """*error* with the path of what is at fault in one of several prompts."""
    if error.param is None or not error.param.startswith("prompt"):
        return error
    path = f"prompt[{number}]" + error.param.removeprefix("prompt")
    named = type(error)(error.message, param=path, retry_after=error.retry_after)
    if isinstance(named, ContextLengthExceeded) and isinstance(error, ContextLengthExceeded):
        named.sizes = error.sizes
    return named
