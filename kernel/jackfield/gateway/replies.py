"""What has arrived from a worker for one question, or for one pooled request."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jackfield.channel.messages import RequestFailed
from jackfield.errors import ChannelError, JackfieldError
from jackfield.pooled import Pooled
from jackfield.types import Finished, PromptProgress, Started, TextDelta

if TYPE_CHECKING:
    from jackfield.channel.messages import SequenceEvent
    from jackfield.context import RequestContext
    from jackfield.questions import Reply


class ReplyReceiver:
    """The gateway's end of one question.

    Event loop thread: the worker link puts in, one ``Gateway.ask`` waits.
    """

    __slots__ = ("_reply", "remaining")

    def __init__(self) -> None:
        self._reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.remaining = 0
        """Always 0: a question takes no slot."""

    def put(self, event: SequenceEvent, _now: float) -> bool:
        """Take *event* in, which must be the only one.

        Raises:
            ChannelError: It is no reply: the worker is not to be trusted any more.
        """
        if isinstance(event, RequestFailed):
            self.fail(event.error.thaw())
        elif not isinstance(event, Started | PromptProgress | TextDelta | Finished | Pooled):
            if not self._reply.done():
                self._reply.set_result(event)
        else:
            raise ChannelError("a worker answered a question with something else than a reply")
        return True

    def fail(self, error: JackfieldError) -> None:
        """End the question with *error*."""
        if not self._reply.done():
            self._reply.set_exception(error)
            self._reply.exception()  # nobody may be waiting any more, which is no reason for a warning

    def arrived(self) -> None:
        """See ``Receiver``: whoever waits has been told."""

    def flush(self) -> None:
        """See ``Receiver``: there is nothing to send."""

    async def reply(self) -> Reply:
        """Wait for the reply. Raises what failed the question."""
        return await self._reply


class PoolReceiver:
    """The gateway's end of one pooled request.

    Parameters:
        context: Learns how many tokens it took, and how long it waited.
        inputs: How many rows the result must have.

    Event loop thread: the worker link puts in, one ``Gateway.pool`` waits.
    """

    __slots__ = ("_context", "_inputs", "_result", "remaining")

    def __init__(self, context: RequestContext, inputs: int) -> None:
        self._context = context
        self._inputs = inputs
        self._result: asyncio.Future[Pooled] = asyncio.get_running_loop().create_future()
        self.remaining = 1
        """1 until it has ended."""

    def put(self, event: SequenceEvent, _now: float) -> bool:
        """Take *event* in, which must be the only one.

        Raises:
            ChannelError: It is not what was asked for: the worker is not to be trusted any more.
        """
        if isinstance(event, RequestFailed):
            self.fail(event.error.thaw())
        elif isinstance(event, Pooled) and self._fits(event.rows):
            self._context.prompt_tokens += event.prompt_tokens
            self._context.queue_s = event.queue_s
            self.remaining = 0
            if not self._result.done():
                self._result.set_result(event)
        else:
            raise ChannelError("a worker gave a pooled request something else than its result")
        return True

    def fail(self, error: JackfieldError) -> None:
        """End the request with *error*."""
        self.remaining = 0
        if not self._result.done():
            self._result.set_exception(error)
            self._result.exception()  # nobody may be waiting any more, which is no reason for a warning

    def arrived(self) -> None:
        """See ``Receiver``: whoever waits has been told."""

    def flush(self) -> None:
        """See ``Receiver``: there is nothing to send."""

    async def result(self) -> Pooled:
        """Wait for the result. Raises what failed the request."""
        return await self._result

    def _fits(self, rows: tuple[bytes, ...]) -> bool:
        """One row for each input, all of as many float32, at least one."""
        width = len(rows[0]) if rows else 0
        return len(rows) == self._inputs and width > 0 and not width % 4 and all(len(row) == width for row in rows)
