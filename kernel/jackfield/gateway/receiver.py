"""What has arrived from a worker for one request and was not taken yet; bounded however slowly it is taken."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.channel.messages import RequestFailed
from jackfield.errors import ChannelError, JackfieldError
from jackfield.ports.limiter import Spent
from jackfield.types import Finished, PromptProgress, Started, TextDelta, Usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.channel.messages import SequenceEvent
    from jackfield.context import RequestContext
    from jackfield.types import GenerateEvent

PACKED_AT: Final = 64
"""Untaken deltas that are merged and packed: a client that does not read costs the bytes of its text and not an object
a token, and with 20 log probabilities a token 400 bytes and not 3,500."""

PROGRESS_KEPT: Final = 64
"""Most news of a prompt's progress that wait to be taken."""

_pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder(TextDelta).decode


class _Choice:
    """One of the request's answers."""

    __slots__ = ("_packed", "drawn", "end", "last_text", "texts")

    def __init__(self) -> None:
        self.texts: list[TextDelta] = []
        """What was not taken yet, but for what is packed."""
        self._packed: deque[bytes] = deque()
        self.end: Finished | None = None
        self.drawn = 0
        """Tokens whose text has arrived."""
        self.last_text: float | None = None

    def pack(self) -> None:
        """Make what waits small."""
        self._packed.append(_pack(_merged(self.texts)))
        self.texts.clear()

    def take(self) -> TextDelta | Finished | None:
        """The oldest text, then the end."""
        if self._packed:
            return _unpack(self._packed.popleft())
        texts = self.texts
        if not texts:
            end, self.end = self.end, None
            return end
        delta = texts[0] if len(texts) == 1 else _merged(texts)
        texts.clear()
        return delta

    def take_all(self, events: list[GenerateEvent]) -> None:
        """Move all that there is to *events*."""
        if self._packed:
            events += map(_unpack, self._packed)
            self._packed.clear()
        if self.texts:
            events.append(self.texts[0] if len(self.texts) == 1 else _merged(self.texts))
            self.texts.clear()
        if self.end is not None:
            events.append(self.end)
            self.end = None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to take."""
        return not self.texts and not self._packed and self.end is None


class Receiver:
    """The gateway's end of one generation.

    Parameters:
        context: Learns the time to the first token, the gaps and the result.
        choices: How many answers were asked for.
        scored: Whether tokens were, with or without log probabilities.

    Event loop thread: the worker link puts in, one ``Gateway.generate`` takes out.
    """

    __slots__ = (
        "_accepted",
        "_choices",
        "_context",
        "_failure",
        "_progress",
        "_ready",
        "_scored",
        "_spent",
        "_started",
        "_wake",
        "answering",
        "begun",
        "pass_on",
        "remaining",
        "send_off",
    )

    def __init__(self, context: RequestContext, choices: int = 1, *, scored: bool = False) -> None:
        self._context = context
        self._scored = scored
        self._accepted = False
        self._started: Started | None = None
        self._progress: list[PromptProgress] = []
        self._choices = {index: _Choice() for index in range(choices)}
        """Those that have not ended."""
        self._ready: dict[int, _Choice] = {}
        """Choices with something to take, in the order they got it."""
        self._failure: JackfieldError | None = None
        self._wake: asyncio.Future[None] | None = None
        self.begun: Callable[[int], None] | None = None
        """Told once how long the prompt is, when the worker has accepted it; returns at once."""
        self.answering: Callable[[], None] | None = None
        """Told once, when the first text has arrived; returns at once."""
        self.pass_on: Callable[[], bool] | None = None
        """Takes what has arrived, without a task that would wake up for it; False where a task must look."""
        self.send_off: Callable[[], bool] | None = None
        """Sends what ``pass_on`` has taken; False as there."""
        self.remaining = choices
        """Answers that have not ended."""
        self._spent = [0, 0, 0]
        """Tokens of the prompt, those of it that were cached, and drawn ones, as far as is known."""

    def put(self, event: SequenceEvent, now: float) -> bool:
        """Take *event* in, at monotonic time *now*; True if it was the last one.

        Raises:
            ChannelError: The order of events is impossible: the worker is not to be trusted any more.
        """
        if isinstance(event, TextDelta):
            self._put_text(event, now)
        elif isinstance(event, RequestFailed):
            self._failure = event.error.thaw()
            self.remaining = 0
        elif isinstance(event, Started):
            if self._accepted:
                raise ChannelError("a worker started one request twice")
            self._accepted = True
            self._started = event
            self._context.prompt_tokens += event.prompt_tokens
            self._spent[0] = event.prompt_tokens
            if self.begun is not None:
                self.begun(event.prompt_tokens)
        elif isinstance(event, Finished):
            self._put_finished(event)
        elif isinstance(event, PromptProgress):
            self._put_progress(event)
        else:
            raise ChannelError("a worker gave a generation the result of a pooled request")
        return not self.remaining

    @property
    def spent(self) -> Spent:
        """What the worker has done for it so far."""
        return Spent(prompt_tokens=self._spent[0], cached_tokens=self._spent[1], completion_tokens=self._spent[2])

    def arrived(self) -> None:
        """All has been put that came at once."""
        if self.pass_on is None or self._failure is not None or not self.pass_on():
            self._notify()

    def flush(self) -> None:
        """What was taken can be sent."""
        if self.send_off is not None and not self.send_off():
            self._notify()

    def cut(self, end: Finished) -> None:
        """Nobody hears the rest of an answer, which *end* has ended here and perhaps not yet in the worker."""
        finished = self._context.finished
        if end.index in self._choices or finished is None:
            self._context.finished = _accounted(finished, end)
        else:  # its usage is known already
            self._context.finished = msgspec.structs.replace(finished, reason=end.reason)

    def fail(self, error: JackfieldError) -> None:
        """End the request with *error*; what arrived before is still given out first."""
        if self.remaining:
            self.remaining = 0
            self._failure = error
            self._notify()

    async def next(self) -> GenerateEvent:
        """The next event; short text that arrived in between comes as one delta. Raises what failed the request."""
        while (event := self.take()) is None:
            await self.wait()
        return event

    async def wait(self) -> None:
        """Until something has arrived that nobody has passed on, or the request has failed."""
        self._wake = asyncio.get_running_loop().create_future()
        try:
            await self._wake
        finally:
            self._wake = None

    def take(self) -> GenerateEvent | None:
        """The next event, or None where none has arrived. Raises what failed the request."""
        if self._started is not None:
            started, self._started = self._started, None
            return started
        if self._progress:
            return self._progress.pop(0)
        for index, choice in self._ready.items():
            event = choice.take()
            if choice.empty:
                del self._ready[index]
            return event
        if self._failure is not None:
            raise self._failure
        return None

    def take_all(self) -> list[GenerateEvent]:
        """All events that have arrived; a failure is left for ``take``."""
        events: list[GenerateEvent] = []
        if self._started is not None:
            events.append(self._started)
            self._started = None
        if self._progress:
            events += self._progress
            self._progress.clear()
        for choice in self._ready.values():
            choice.take_all(events)
        self._ready.clear()
        return events

    def _put_text(self, delta: TextDelta, now: float) -> None:
        choice = self._choices.get(delta.index) if self._accepted else None
        if choice is None:
            choice = self._open_choice(delta.index)
        if delta.logprobs and not self._scored:
            raise ChannelError("a worker sent log probabilities that nobody asked for")
        context = self._context
        if delta.tokens:  # an echoed prompt was not drawn
            context.completion_tokens += delta.tokens
            choice.drawn += delta.tokens
            self._spent[2] += delta.tokens
            if choice.last_text is not None:
                context.gaps.append(now - choice.last_text)
            elif context.first_token is None:
                context.first_token = now
            if self.answering is not None:
                self.answering()
                self.answering = None
            choice.last_text = now
        choice.texts.append(delta)
        if len(choice.texts) == PACKED_AT:
            choice.pack()
        self._ready[delta.index] = choice

    def _put_progress(self, progress: PromptProgress) -> None:
        self._open_choice(progress.index)
        if len(self._progress) >= PROGRESS_KEPT:  # whoever reads so slowly is told the latest
            self._progress.pop()
        self._progress.append(progress)

    def _put_finished(self, finished: Finished) -> None:
        choice = self._open_choice(finished.index)
        if finished.logprobs and not self._scored:
            raise ChannelError("a worker sent log probabilities that nobody asked for")
        choice.end = finished
        self._spent[1] = max(self._spent[1], finished.usage.cached_tokens)
        self._spent[2] += finished.usage.completion_tokens - choice.drawn
        del self._choices[finished.index]
        self._ready[finished.index] = choice
        context = self._context
        context.finished = _accounted(context.finished, finished)
        context.queue_s = finished.timings.queue_s
        self.remaining -= 1

    def _open_choice(self, index: int) -> _Choice:
        if not self._accepted:
            raise ChannelError("a worker sent text or an end for a request it has not started")
        choice = self._choices.get(index)
        if choice is None:
            raise ChannelError("a worker sent text or an end for an answer that nobody waits for")
        return choice

    def _notify(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


def _merged(deltas: list[TextDelta]) -> TextDelta:
    return TextDelta(
        "".join([delta.text for delta in deltas]),
        sum([delta.tokens for delta in deltas]),
        deltas[0].index,
        tuple([entry for delta in deltas for entry in delta.logprobs]),
        tuple([(len(delta.text), delta.tokens) for delta in deltas]),
    )


def _accounted(before: Finished | None, finished: Finished) -> Finished:
    """*finished* with the usage of all that ended *before*: answers to one prompt, generations of one HTTP request.

    Every answer says how long the prompt is, and how much of it was cached: it counts once.
    """
    usage = finished.usage if finished.index == 0 else Usage(0, finished.usage.completion_tokens)
    if before is not None:
        usage = Usage(
            before.usage.prompt_tokens + usage.prompt_tokens,
            before.usage.completion_tokens + usage.completion_tokens,
            before.usage.cached_tokens + usage.cached_tokens,
        )
    return finished if usage is finished.usage else msgspec.structs.replace(finished, usage=usage)
