"""Questions to models on routes without work: each HTTP request that asks any counts as one request."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeAlias

from jackfield.errors import JackfieldError
from jackfield.ports.limiter import Claim, Spent
from jackfield.questions import Detokenise, Render, Tokenise

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from jackfield.context import RequestContext
    from jackfield.gateway.limiting import Limiting, Reserved
    from jackfield.questions import Question

ACTION: Final = "ask"
"""What limits and records call it."""

Counted: TypeAlias = Tokenise | Detokenise | Render
"""What callers ask for its own sake; operators look at slots and sequences however much is left for them."""


class _Asking:
    """What one request has reserved; its questions may be asked at the same time."""

    __slots__ = ("ended", "reserved", "turn")

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.reserved: Reserved | None = None
        self.ended = False


class CountedQuestions:
    """What is reserved for HTTP requests that only ask. Event loop thread.

    Parameters:
        limiting: Knows how much is left.
    """

    def __init__(self, limiting: Limiting) -> None:
        self._limiting = limiting
        self._open: dict[RequestContext, _Asking] = {}
        """Requests that have no work."""

    @asynccontextmanager
    async def of(self, context: RequestContext) -> AsyncIterator[None]:
        """While its route, which has no work, is served: what it has reserved ends with it.

        A request that is refused counts for nothing, as work does that is refused before it begins.
        """
        if not self._limiting.enabled:
            yield
            return
        asking = self._open[context] = _Asking()
        refused = False
        try:
            yield
        except JackfieldError:
            refused = True
            raise
        finally:
            del self._open[context]
            asking.ended = True
            if asking.reserved is not None:
                await (asking.reserved.release() if refused else asking.reserved.settle(Spent()))

    async def count(self, context: RequestContext, model: str, question: Question) -> None:
        """*question* is to be asked of *model*: reserve for it, if it is the first one of its request.

        Parameters:
            context: Of the request; one that has work, which counts by itself, is left alone.
            model: Its own name.
            question: Any.

        Raises:
            LimitExceeded: There is not so much left.
            LimiterFailed: Nobody can tell.
            AuditFailed: A refusal cannot be recorded, and must be.
        """
        asking = self._open.get(context)
        if asking is None or not isinstance(question, Counted):
            return
        async with asking.turn:
            if asking.reserved is not None:
                return
            asking.reserved = await self._limiting.reserve(context, question_claim(context, model))
            if asking.ended:  # a question that its route has not waited for
                await asking.reserved.release()


def question_claim(context: RequestContext, model: str) -> Claim:
    """What asking *model* something takes, for limiters: a request, and a place while it lasts."""
    return Claim(
        request_id=context.request_id,
        principal=context.principal,
        user=context.user,
        model=model,
        action=ACTION,
        prompt_tokens=0,
        answers=0,
    )
