"""What has arrived from a worker for one request and was not taken yet; bounded however slowly it is taken."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.channel.messages import RequestFailed
from jackfield.errors import ChannelError, JackfieldError
from jackfield.types import Finished, Started, TextDelta, Usage

if TYPE_CHECKING:
    from jackfield.channel.messages import SequenceEvent
    from jackfield.context import RequestContext
    from jackfield.types import GenerateEvent

_COMPACT_AT: Final = 64
"""Untaken deltas that are merged into one: a client that does not read costs its text, not an object a token."""


class Receiver:
    """The gateway's end of one request.

    Parameters:
        context: Learns the time to the first token, the gaps and the result.

    Event loop thread: the worker link puts in, one ``Gateway.generate`` takes out.
    """

    __slots__ = ("_accepted", "_context", "_end", "_last_text", "_started", "_texts", "_wake")

    def __init__(self, context: RequestContext) -> None:
        self._context = context
        self._accepted = False
        self._started: Started | None = None
        self._texts: list[TextDelta] = []
        self._end: Finished | JackfieldError | None = None
        self._last_text: float | None = None
        self._wake: asyncio.Future[None] | None = None

    def put(self, event: SequenceEvent, now: float) -> bool:
        """Take *event* in, at monotonic time *now*; True if it was the last one.

        Raises:
            ChannelError: The order of events is impossible: the worker is not to be trusted any more.
        """
        if isinstance(event, TextDelta):
            self._put_text(event, now)
        elif isinstance(event, RequestFailed):
            self._end = event.error.thaw()
        elif isinstance(event, Started):
            if self._accepted:
                raise ChannelError("a worker started one request twice")
            self._accepted = True
            self._started = event
            self._context.prompt_tokens += event.prompt_tokens
        else:
            self._put_finished(event)
        self._notify()
        return self._end is not None

    def fail(self, error: JackfieldError) -> None:
        """End the request with *error*; what arrived before is still given out first."""
        if self._end is None:
            self._end = error
            self._notify()

    async def next(self) -> GenerateEvent:
        """The next event; text that arrived in between comes as one delta. Raises what failed the request."""
        while (event := self._take()) is None:
            self._wake = asyncio.get_running_loop().create_future()
            try:
                await self._wake
            finally:
                self._wake = None
        return event

    def _take(self) -> GenerateEvent | None:
        if self._started is not None:
            started, self._started = self._started, None
            return started
        if self._texts:
            delta = self._texts[0] if len(self._texts) == 1 else _merged(self._texts)
            self._texts.clear()
            return delta
        if isinstance(self._end, JackfieldError):
            raise self._end
        return self._end

    def _put_text(self, delta: TextDelta, now: float) -> None:
        if not self._accepted:
            raise ChannelError("a worker sent text for a request it has not started")
        context = self._context
        context.completion_tokens += delta.tokens
        if self._last_text is not None:
            context.gaps.append(now - self._last_text)
        elif context.first_token is None:
            context.first_token = now
        self._last_text = now
        texts = self._texts
        texts.append(delta)
        if len(texts) == _COMPACT_AT:
            texts[:] = [_merged(texts)]

    def _put_finished(self, finished: Finished) -> None:
        if not self._accepted:
            raise ChannelError("a worker finished a request it has not started")
        self._end = finished
        before = self._context.finished
        # a frontend may run several generations for one HTTP request; they are accounted together
        self._context.finished = finished if before is None else _added(before, finished)

    def _notify(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


def _merged(deltas: list[TextDelta]) -> TextDelta:
    return TextDelta("".join([delta.text for delta in deltas]), sum([delta.tokens for delta in deltas]))


def _added(before: Finished, finished: Finished) -> Finished:
    first, second = before.usage, finished.usage
    usage = Usage(
        first.prompt_tokens + second.prompt_tokens,
        first.completion_tokens + second.completion_tokens,
        first.cached_tokens + second.cached_tokens,
    )
    return msgspec.structs.replace(finished, usage=usage)
