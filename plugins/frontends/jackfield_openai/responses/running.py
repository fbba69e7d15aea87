"""What makes a response in the background, from when it is queued until it is kept as it ended."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Final

from jackfield.errors import Draining, InsufficientScope, JackfieldError, ModelNotFound, http
from jackfield.frontends.outputs import next_output
from jackfield_openai.responses.liveness import LEASE_S
from jackfield_openai.responses.repeating import UNSAID, masked

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from jackfield.context import RequestContext
    from jackfield.ports.frontend import Gateway
    from jackfield.types import GenerateEvent
    from jackfield_openai.responses.answer import ResponseAnswer
    from jackfield_openai.responses.background import Run
    from jackfield_openai.responses.liveness import Liveness

ROUTE: Final = "background /v1/responses"
"""What it is called in metrics and in the access log."""

SCOPE: Final = "generate"
"""Of the route that begins it."""

REVIEW_S: Final = 1.0
"""Between two looks at what may still be done for whoever has asked for it."""

CANCELLED: Final = 499
"""Its status there, where somebody has ended it: nobody gets an answer."""


class Running:
    """One response in the background. Gateway's event loop.

    Parameters:
        gateway: Is told of its end.
        context: Its own.
        answer: What it becomes.
        events: Makes the events of its generation.
        keep: Keeps it as it is; is told whether guardrails, where there are any, have passed its request.
        liveness: Where it is said that somebody works on it.
    """

    def __init__(
        self,
        gateway: Gateway,
        context: RequestContext,
        answer: ResponseAnswer,
        events: Callable[[], AsyncGenerator[GenerateEvent, None]],
        keep: Callable[[bool], Awaitable[None]],
        liveness: Liveness,
    ) -> None:
        self._gateway = gateway
        self._context = context
        self._answer = answer
        self._events = events
        self._keep = keep
        self._liveness = liveness
        self._id = str(answer.response["id"])
        self._judged = not gateway.guarded
        self._refusal: JackfieldError | None = None
        """Why whoever has asked for it may not any more."""

    async def make(self, run: Run) -> None:
        """Work until it has ended, or is cancelled."""
        making = asyncio.current_task()
        watching = [asyncio.ensure_future(self._beat(making)), asyncio.ensure_future(self._review(making))]
        status, last = 200, b""
        try:
            await self._generate(run)
        except JackfieldError as error:
            self._unsay(run)
            status, last = http(error).status, self._answer.failed(error)
        finally:
            for each in watching:
                each.cancel()
            if not self._answer.ended:
                status, last = self._cut_off(run)
            # what cannot be kept the kernel has logged; clients of this gateway still read it
            with suppress(JackfieldError):
                await self._keep(self._judged)
                await self._liveness.over(self._id)
            run.add(last if status != 200 else self._answer.closing())  # noqa: PLR2004 -- HTTP's
            self._gateway.account(self._context, status)

    async def _generate(self, run: Run) -> None:
        answer = self._answer
        run.add(answer.queued())
        async with aclosing(self._events()) as events:
            output = await next_output(events)
            self._passed(run)
            run.add(answer.begun())
            run.add(answer.event(output))
            while not answer.ended:
                run.add(answer.event(await next_output(events)))

    def _passed(self, run: Run) -> None:
        """The model has begun with it: guardrails have judged what was asked."""
        self._judged = True
        masking = self._context.masking
        run.repeat({} if masking is None else masked(self._answer.response, masking))

    def _unsay(self, run: Run) -> None:
        """It ends: where guardrails have not passed what was asked, nothing of that stays."""
        if not self._judged:
            run.repeat(UNSAID)

    def _cut_off(self, run: Run) -> tuple[int, bytes]:
        """Somebody has ended it, or may not have it any more, or the server ends."""
        self._unsay(run)
        if self._refusal is not None:
            return http(self._refusal).status, self._answer.failed(self._refusal)
        if not run.closing:
            self._answer.cancelled()
            return CANCELLED, b""
        error = Draining("the server that ran this response has ended")
        return http(error).status, self._answer.failed(error)

    async def _beat(self, making: asyncio.Task[None] | None) -> None:
        while True:
            await asyncio.sleep(LEASE_S / 3)
            with suppress(JackfieldError):
                await self._liveness.beat(self._id)
                if making is not None and await self._liveness.end_asked(self._id):
                    making.cancel()

    async def _review(self, making: asyncio.Task[None] | None) -> None:
        """End it when a key is revoked, or may not ask for it any more."""
        while self._refusal is None:
            await asyncio.sleep(REVIEW_S)
            try:
                await self._check()
            except JackfieldError as error:
                if not http(error).retriable and making is not None:
                    self._refusal = error
                    making.cancel()

    async def _check(self) -> None:
        principal = await self._gateway.review(self._context.principal)
        if principal is None:
            return
        if not principal.may(SCOPE):
            raise InsufficientScope(f"this key lacks the scope {SCOPE}")
        now = self._context.detached()
        now.principal = principal
        model = self._context.model
        if model and all(card.name != model for card in self._gateway.models(now)):
            raise ModelNotFound(f"the model {model} is not there any more for this key", param="model")
