"""The events of one request, from its worker to whoever asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, overload

from jackfield.gateway.guarded_answers import GuardedAnswers
from jackfield.types import Finished, GenerateEvent, GenerateRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from jackfield.frontends.delivery import Taker
    from jackfield.gateway.guarded_answers import Reading
    from jackfield.gateway.receiver import Receiver
    from jackfield.gateway.walk import Passage


class Submitted:
    """A request that a worker has.

    Parameters:
        receiver: Gets what the worker says.
        reading: Reads it; None where it is passed on as it is.
        choices: How many answers there will be.
        passage: Told when the worker has begun, and before anybody reads the end.
    """

    __slots__ = ("_passage", "_reading", "left", "receiver")

    def __init__(
        self, receiver: Receiver, reading: Reading | None, choices: int, passage: Passage[GenerateRequest]
    ) -> None:
        self.receiver = receiver
        self.left = choices
        """Answers whose end was not read yet."""
        self._reading = reading
        self._passage = passage

    @property
    def waits(self) -> bool:
        """Whether ``settle`` must be awaited before what was read last is passed on."""
        return not self.left and self._passage.waits

    @property
    def at_once(self) -> bool:
        """Whether ``read`` says what an event says; otherwise ``heard`` is to be awaited."""
        return True

    async def settle(self) -> None:
        """All was read: what must be settled and recorded before the last byte is when this returns."""
        self._passage.spent = self.receiver.spent
        await self._passage.end()

    async def refused(self, error: Exception) -> None:
        """Whoever asked takes no more: it is settled and recorded as a client's leaving, or as a frontend's defect."""
        self._passage.spent = self.receiver.spent
        await self._passage.end(asyncio.CancelledError() if isinstance(error, ConnectionError) else error)

    def read(self, event: GenerateEvent) -> Sequence[GenerateEvent]:
        """What *event* of the worker says."""
        if isinstance(event, Finished):
            self.left -= 1
        events = (event,) if self._reading is None else self._reading.read(event)
        answers = self._passage.answers
        if answers is not None:
            answers.hear(events)
        return events

    async def heard(self) -> Sequence[GenerateEvent]:
        """What the next event says, once it has come; perhaps nothing."""
        return self.read(await self.receiver.next())

    def read_all(self) -> Sequence[GenerateEvent]:
        """What all says that has come and was not taken."""
        events = self.receiver.take_all()
        if len(events) == 1:
            return self.read(events[0])
        return [said for event in events for said in self.read(event)]


class JudgedSubmitted(Submitted):
    """One whose answers guardrails judge: they may end an answer before the worker does.

    Parameters:
        receiver: As for ``Submitted``.
        answers: Judges them.
        choices: As for ``Submitted``.
        passage: As for ``Submitted``.
    """

    __slots__ = ("_answers", "_cut")

    def __init__(
        self, receiver: Receiver, answers: GuardedAnswers, choices: int, passage: Passage[GenerateRequest]
    ) -> None:
        super().__init__(receiver, answers, choices, passage)
        self._answers = answers
        self._cut: list[Finished] = []

    @property
    def at_once(self) -> bool:
        return not self._answers.waits

    def read(self, event: GenerateEvent) -> Sequence[GenerateEvent]:
        return self._counted(self._answers.read(event))

    async def heard(self) -> Sequence[GenerateEvent]:
        due = self._answers.due
        try:
            async with asyncio.timeout(None if due is None else due - time.monotonic()):
                event = await self.receiver.next()
        except TimeoutError:
            return self._counted(await self._answers.late())
        return self._counted(await self._answers.heard(event))

    def _counted(self, said: Sequence[GenerateEvent]) -> Sequence[GenerateEvent]:
        ends = [event for event in said if isinstance(event, Finished)]
        self.left -= len(ends)
        self._cut += [end for end in ends if end.reason == "content_filter"]
        if not self.left:
            for end in self._cut:
                self.receiver.cut(end)
        if self._passage.answers is not None:
            self._passage.answers.hear(said)
        return said


def submitted(
    receiver: Receiver, reading: Reading | None, choices: int, passage: Passage[GenerateRequest]
) -> Submitted:
    """A request that a worker has; parameters as for ``Submitted``."""
    if isinstance(reading, GuardedAnswers):
        return JudgedSubmitted(receiver, reading, choices, passage)
    return Submitted(receiver, reading, choices, passage)


class Generation(AsyncGenerator[GenerateEvent, None]):
    """See ``Gateway.generate``; implements ``jackfield.frontends.delivery.Delivering`` too.

    Nothing happens until the first event is wanted. Event loop thread.

    Parameters:
        submitting: Has the request sent to its worker, and cancelled there when nobody reads any more.
    """

    __slots__ = ("_events", "_submitting")

    def __init__(self, submitting: Callable[[], AbstractAsyncContextManager[Submitted]]) -> None:
        self._submitting = submitting
        self._events = self._each()

    async def __anext__(self) -> GenerateEvent:
        return await anext(self._events)

    async def asend(self, value: None, /) -> GenerateEvent:
        return await self._events.asend(value)

    @overload
    async def athrow(
        self, kind: type[BaseException], value: object = ..., traceback: TracebackType | None = ..., /
    ) -> GenerateEvent: ...

    @overload
    async def athrow(
        self, kind: BaseException, value: None = ..., traceback: TracebackType | None = ..., /
    ) -> GenerateEvent: ...

    async def athrow(
        self,
        kind: type[BaseException] | BaseException,
        value: object = None,
        traceback: TracebackType | None = None,
        /,
    ) -> GenerateEvent:
        error = kind if isinstance(kind, BaseException) else value if isinstance(value, BaseException) else kind()
        return await self._events.athrow(error.with_traceback(traceback))

    async def aclose(self) -> None:
        await self._events.aclose()

    async def deliver(self, taker: Taker) -> None:
        """See ``Delivering``."""
        async with self._submitting() as submitted:
            delivery = _Delivery(submitted, taker)
            await delivery.run()
            if delivery.refusal is not None:
                await submitted.refused(delivery.refusal)
        if delivery.refusal is not None:
            raise delivery.refusal

    async def _each(self) -> AsyncGenerator[GenerateEvent, None]:
        async with self._submitting() as submitted:
            at_once = submitted.at_once
            while submitted.left:
                if at_once:
                    events = submitted.read(await submitted.receiver.next())
                else:
                    events = await submitted.heard()
                if submitted.waits:
                    await submitted.settle()
                for event in events:
                    yield event


class _Delivery:
    """Hands events over as they arrive, and waits only where the taker does.

    Attributes:
        refusal: What the taker raised: the client has gone, or the frontend has a defect.
    """

    __slots__ = ("_failure", "_held", "_submitted", "_taker", "refusal")

    def __init__(self, submitted: Submitted, taker: Taker) -> None:
        self._submitted = submitted
        self._taker = taker
        self._failure: Exception | None = None
        self._held: Sequence[GenerateEvent] = ()
        """The last ones, read while nobody could wait for what must come before them."""
        self.refusal: Exception | None = None

    async def run(self) -> None:
        """Until all was taken, or the taker refuses. Raises what failed the request."""
        submitted, receiver = self._submitted, self._submitted.receiver
        at_once = submitted.at_once
        if at_once:
            receiver.pass_on, receiver.send_off = self._pass_on, self._send_off
        while (submitted.left or self._held) and self.refusal is None:
            if self._held:
                held, self._held = self._held, ()
                await self._send(held)
            elif not at_once:
                await self._send(await submitted.heard())
            elif (event := receiver.take()) is not None:
                await self._send(submitted.read(event))
            else:
                await receiver.wait()
            if self._failure is not None:
                raise self._failure

    async def _send(self, events: Sequence[GenerateEvent]) -> None:
        if self._submitted.waits:
            await self._submitted.settle()
        try:
            await self._taker.send(events)
        except Exception as error:  # noqa: BLE001 -- whoever asked for delivery gets it
            self.refusal = error

    def _pass_on(self) -> bool:
        """Hand over what has arrived, to be sent with ``_send_off``; whether ``run`` can go on waiting."""
        if not self._taker.ready:
            return False
        try:
            events = self._submitted.read_all()
        except Exception as error:  # noqa: BLE001 -- ``run`` raises it: here it would end the link to the worker
            self._failure = error
            return False
        if self._submitted.waits:
            self._held = events
            return False
        try:
            self._taker.take(events)
        except Exception as error:  # noqa: BLE001 -- as above
            self.refusal = error
            return False
        return self._submitted.left > 0

    def _send_off(self) -> bool:
        try:
            self._taker.flush()
        except Exception as error:  # noqa: BLE001 -- as above
            self.refusal = error
            return False
        return True
