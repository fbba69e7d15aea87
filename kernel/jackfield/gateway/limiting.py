"""The limits stage: reserve by estimate, adjust once the prompt was counted, settle with what was really used."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from jackfield.errors import JackfieldError, LimiterFailed, LimitExceeded, PluginError, http
from jackfield.gateway.plugged import plug
from jackfield.gateway.summary import event_of
from jackfield.ports.limiter import DEADLINE_S, LimitBook, LimitEntry, Spent, Standing
from jackfield.ports.observer import LimitRefused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence

    from jackfield.context import RequestContext
    from jackfield.gateway.auditing import Auditing
    from jackfield.gateway.observing import Observers
    from jackfield.gateway.plugged import Plugged
    from jackfield.ports.limiter import Claim, Limiter, LimiterFactory, Reservation

CLOSE_S: Final = 5.0
"""How long a limiter may take to end."""

ENDING_S: Final = 2.0
"""How long ``close`` waits for what requests that have just ended still give back."""


class Limiting:
    """All enabled limiters, in manifest order. Event loop thread.

    Parameters:
        factories: By name, as ``Kernel.limiters`` gives them.
        auditing: Is told of refusals.
        observers: Are told of refusals.

    Raises:
        PluginError: A factory failed; the message names it.
    """

    def __init__(self, factories: Mapping[str, LimiterFactory], auditing: Auditing, observers: Observers) -> None:
        message = "how much is left for this caller cannot be told now; try again in a moment"
        self._limiters = plug("limiter", factories, LimiterFailed, message)
        self._auditing = auditing
        self._observers = observers
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def enabled(self) -> bool:
        """Whether anything is limited: claims need not be made otherwise."""
        return bool(self._limiters)

    @property
    def objects(self) -> Sequence[tuple[str, object]]:
        """What plugins have supplied, with their names."""
        return [(each.name, each.object) for each in self._limiters]

    async def reserve(self, context: RequestContext, claim: Claim) -> Reserved:
        """Reserve with all limiters, or with none; ``context.standings`` says what is left.

        Raises:
            LimitExceeded: One has not so much left.
            LimiterFailed: One broke, or was too slow.
            AuditFailed: A refusal cannot be recorded, and must be.
        """
        reserved = Reserved(self._ending)
        for limiter in self._limiters:
            try:
                made = await limiter.ask(limiter.object, lambda each: each.reserve(claim), DEADLINE_S, LimitExceeded)
                reserved.add(limiter, made)
            except BaseException as error:
                await reserved.release()
                if isinstance(error, LimitExceeded):
                    await self._refused(context, claim, limiter.name, error)
                raise
        context.standings = reserved.standings
        return reserved

    @property
    def has_books(self) -> bool:
        """Whether there are counters to look at."""
        return any(isinstance(each.object, LimitBook) for each in self._limiters)

    async def entries(self, only: Mapping[str, str]) -> Sequence[LimitEntry]:
        """See ``LimitBook``: those of all limiters that are one."""
        found: list[LimitEntry] = []
        for limiter in self._limiters:
            if isinstance(limiter.object, LimitBook):
                entries = await limiter.ask(limiter.object, lambda book: book.entries(only), DEADLINE_S)
                if not _all_of(LimitEntry, entries):
                    raise limiter.failed(PluginError("entries() returned what are no entries"))
                found += entries
        return found

    async def reset(self, only: Mapping[str, str]) -> int:
        """See ``LimitBook``: those of all limiters that are one."""
        count = 0
        for limiter in self._limiters:
            if isinstance(limiter.object, LimitBook):
                done = await limiter.ask(limiter.object, lambda book: book.reset(only), DEADLINE_S)
                if not _all_of(int, [done]):
                    raise limiter.failed(PluginError("reset() returned what is no number"))
                count += done
        return count

    async def close(self) -> None:
        """Close all limiters, once what has ended is settled."""
        if self._ending:
            await asyncio.wait(self._ending, timeout=ENDING_S)
        for limiter in self._limiters:
            with suppress(JackfieldError):
                await limiter.ask(limiter.object, lambda each: each.close(), CLOSE_S)

    async def _refused(self, context: RequestContext, claim: Claim, limiter: str, error: LimitExceeded) -> None:
        context.standings = error.standings
        self._observers.tell(LimitRefused(limiter=limiter, measure=error.measure, scope=error.scope, model=claim.model))
        if self._auditing.enabled:
            details = {"limiter": limiter, "measure": error.measure, "scope": error.scope}
            event = event_of(
                context,
                "limit",
                claim.action,
                "refused",
                resource=claim.model,
                reason=http(error).code,
                details=details,
            )
            await self._auditing.record(event)


class Reserved:
    """What one request has reserved with all limiters. Event loop thread.

    Parameters:
        ending: Holds the tasks that settle what has ended: a client that leaves cancels its request, and not these.
    """

    __slots__ = ("_beginning", "_ending", "_made", "standings")

    def __init__(self, ending: set[asyncio.Task[None]]) -> None:
        self._ending = ending
        self._made: list[tuple[Plugged[Limiter], Reservation]] = []
        self._beginning: asyncio.Task[None] | None = None
        self.standings: Sequence[Standing] = ()
        """What is left, of all of them."""

    def __bool__(self) -> bool:
        return bool(self._made)

    def add(self, limiter: Plugged[Limiter], reservation: Reservation) -> None:
        """Another limiter has agreed.

        Raises:
            LimiterFailed: What it has handed over is no reservation.
        """
        self._made.append((limiter, reservation))  # whatever it is: it may have taken something
        try:
            standings = reservation.standings
            if not _all_of(Standing, standings):
                raise PluginError("reserve() returned a reservation whose standings are none")
        except Exception as error:
            raise limiter.failed(error) from error
        self.standings = [*self.standings, *standings]

    def begin(self, prompt_tokens: int) -> None:
        """A worker has accepted the request. Returns at once; the limiters are told in a task of their own."""
        self._beginning = self._told(lambda reservation: reservation.begin(prompt_tokens))

    def leave_queue(self) -> None:
        """Its first text has come. Returns at once, as ``begin``."""
        self._beginning = self._told(lambda reservation: reservation.leave_queue())

    async def settle(self, spent: Spent) -> None:
        """It has ended; further calls do nothing. Goes on where whoever waits for it is cancelled."""
        made, self._made = self._made, []
        if made:
            await self._shielded(self._settle(made, spent))

    async def release(self) -> None:
        """It was refused before it used anything; further calls do nothing. Goes on as ``settle`` does."""
        made, self._made = self._made, []
        if made:
            await self._shielded(self._release(made))

    async def _shielded(self, end: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(end)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        await asyncio.shield(task)

    def _told(self, news: Callable[[Reservation], Awaitable[None]]) -> asyncio.Task[None] | None:
        """The task that tells all limiters the *news*, after what they are being told."""
        if not self._made:
            return self._beginning
        return asyncio.get_running_loop().create_task(self._tell(self._made, news, self._beginning))

    async def _tell(
        self,
        made: Sequence[tuple[Plugged[Limiter], Reservation]],
        news: Callable[[Reservation], Awaitable[None]],
        before: asyncio.Task[None] | None,
    ) -> None:
        if before is not None and not before.done():
            await asyncio.wait([before])
        for limiter, reservation in made:
            with suppress(LimiterFailed):
                await limiter.ask(reservation, news, DEADLINE_S)

    async def _settle(self, made: Sequence[tuple[Plugged[Limiter], Reservation]], spent: Spent) -> None:
        if self._beginning is not None and not self._beginning.done():
            await asyncio.wait([self._beginning])  # however it ends
        for limiter, reservation in made:
            with suppress(LimiterFailed):
                await limiter.ask(reservation, lambda each: each.settle(spent), DEADLINE_S)

    async def _release(self, made: Sequence[tuple[Plugged[Limiter], Reservation]]) -> None:
        for limiter, reservation in made:
            with suppress(LimiterFailed):
                await limiter.ask(reservation, lambda each: each.release(), DEADLINE_S)


def _all_of(kind: type, given: object) -> bool:
    return isinstance(given, list | tuple) and all(isinstance(each, kind) for each in given)
