"""Responses that run without a client: their events so far, and who waits for more."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.errors import InvalidRequest, QueueFull
from jackfield_openai.records import identity_of, tenant_of
from jackfield_openai.responses.repeating import UNSAID, with_repeated

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from jackfield.context import RequestContext
    from jackfield.ports.identity import Principal
    from jackfield_openai.responses.answer import ResponseAnswer
    from jackfield_openai.responses.objects import Object

RUNNING_MAX: Final = 32
"""Most responses that run in the background of one gateway."""

ENDED_MAX: Final = 8
"""Of how many that have ended the events are still there."""

EVENTS_MAX: Final = 8 << 20
"""Most bytes of events that are kept of one response; the oldest go."""


class Run:
    """One response in the background. Gateway's event loop.

    Once guardrails have judged its request, originals of what they have masked are not in what is kept of it; whoever
    has asked for it gets them back, and no other key of the same tenant does. Until then others see nothing of what it
    repeats.

    Parameters:
        context: Of its work.
        answer: What it becomes.
        judged: Whether guardrails, where there are any, have passed its request.
    """

    def __init__(self, context: RequestContext, answer: ResponseAnswer, *, judged: bool) -> None:
        self.answer = answer
        self._context = context
        self._judged = judged
        self.task: asyncio.Task[None] | None = None
        self.closing = False
        """Whether it ends because the server does."""
        self._events: list[bytes] = []
        self._dropped = 0
        self._size = 0
        self._ended = False
        self._changed = asyncio.Event()

    def add(self, events: bytes) -> None:
        """More events."""
        if self._context.masking is not None:
            events = self._context.masking.hidden_events(events)
        added = [event + b"\n\n" for event in events.split(b"\n\n") if event]
        self._events += added
        self._size += len(events)
        while self._size > EVENTS_MAX and len(self._events) > 1:
            self._size -= len(self._events.pop(0))
            self._dropped += 1
        self._tell()

    def repeat(self, repeated: Object) -> None:
        """It is judged, and repeats that of its request instead of what it has so far; empty changes nothing.

        Before its first output, when each event has the response.
        """
        self._judged = True
        if not repeated:
            return
        self.answer.response.update(repeated)
        self._events = [with_repeated(event, repeated) for event in self._events]
        self._size = sum(map(len, self._events))

    def end(self) -> None:
        """There will be no more."""
        self._ended = True
        if self._context.masking is not None:
            self.answer.hide(self._context.masking)
        self._tell()

    def response(self, principal: Principal | None) -> bytes:
        """As it is now, for *principal*, in JSON."""
        own, masking = self._has_asked(principal), self._context.masking
        if not (own or self._judged):
            return msgspec.json.encode({**self.answer.response, **UNSAID})
        body = msgspec.json.encode(self.answer.response)
        if masking is None:
            return body
        hidden = masking.hidden_json(body)
        return masking.shown_events(hidden) if own else hidden

    async def follow(self, after: int, principal: Principal | None) -> AsyncGenerator[bytes, None]:
        """The events behind number *after*, as they come, for *principal*.

        Raises:
            InvalidRequest: They are not there any more.
        """
        place = after + 1
        while True:
            if place < self._dropped:
                raise InvalidRequest("these events are gone; begin later", param="starting_after")
            changed = self._changed
            events = self._events[place - self._dropped :]
            if events:
                place += len(events)
                yield self._shown(events, principal)
            elif self._ended:
                return
            else:
                await changed.wait()

    async def cancel(self) -> None:
        """End it, and wait until it has ended."""
        if self.task is not None:
            self.task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.shield(asyncio.gather(self.task, return_exceptions=True))

    def _shown(self, kept: list[bytes], principal: Principal | None) -> bytes:
        masking = self._context.masking
        if self._has_asked(principal):
            return b"".join(kept) if masking is None else masking.shown_events(b"".join(kept))
        return b"".join(kept if self._judged else [with_repeated(event, UNSAID) for event in kept])

    def _has_asked(self, principal: Principal | None) -> bool:
        return identity_of(principal) == identity_of(self._context.principal)

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class Background:
    """All responses that run without a client, by tenant and id. Gateway's event loop."""

    def __init__(self) -> None:
        self._runs: OrderedDict[tuple[str, str], Run] = OrderedDict()

    def start(
        self, context: RequestContext, answer: ResponseAnswer, work: Callable[[Run], Awaitable[None]], *, judged: bool
    ) -> Run:
        """Run *work* in a task of its own.

        Parameters:
            context: Of it.
            answer: As for ``Run``.
            work: What makes it.
            judged: As for ``Run``.

        Raises:
            QueueFull: As many run as may.
        """
        self.check_room()
        run = Run(context, answer, judged=judged)
        self._runs[tenant_of(context), str(answer.response["id"])] = run
        run.task = asyncio.get_running_loop().create_task(self._worked(run, work))
        return run

    def check_room(self) -> None:
        """Raise ``QueueFull`` where as many run as may."""
        if sum(not run.answer.ended for run in self._runs.values()) >= RUNNING_MAX:
            raise QueueFull("too many responses run in the background")

    def find(self, tenant: str, response_id: str) -> Run | None:
        """One that runs, or has ended not long ago."""
        return self._runs.get((tenant, response_id))

    def forget(self, tenant: str, response_id: str) -> None:
        """It was deleted."""
        self._runs.pop((tenant, response_id), None)

    async def close(self) -> None:
        """End all of them, because the server ends, and wait until they have ended."""
        runs = [run for run in self._runs.values() if not run.answer.ended]
        for run in runs:
            run.closing = True
        await asyncio.gather(*(run.cancel() for run in runs))

    async def _worked(self, run: Run, work: Callable[[Run], Awaitable[None]]) -> None:
        try:
            await work(run)
        finally:
            run.end()
            ended = [key for key, other in self._runs.items() if other.answer.ended]
            for key in ended[: max(0, len(ended) - ENDED_MAX)]:
                del self._runs[key]
