"""The events of one request, from its worker to whoever asked."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, overload

from jackfield.types import Finished, GenerateEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType

    from jackfield.frontends.delivery import Taker
    from jackfield.gateway.chat_reading import ChatReading
    from jackfield.gateway.receiver import Receiver


class Submitted:
    """A request that a worker has.

    Parameters:
        receiver: Gets what the worker says.
        reading: Reads it; None where it is passed on as it is.
        choices: How many answers there will be.
    """

    __slots__ = ("_reading", "left", "receiver")

    def __init__(self, receiver: Receiver, reading: ChatReading | None, choices: int) -> None:
        self.receiver = receiver
        self.left = choices
        """Answers whose end was not read yet."""
        self._reading = reading

    def read(self, event: GenerateEvent) -> Sequence[GenerateEvent]:
        """What *event* of the worker says."""
        if isinstance(event, Finished):
            self.left -= 1
        return (event,) if self._reading is None else self._reading.read(event)

    def read_all(self) -> Sequence[GenerateEvent]:
        """What all says that has come and was not taken."""
        events = self.receiver.take_all()
        if len(events) == 1:
            return self.read(events[0])
        return [said for event in events for said in self.read(event)]


class Generation(AsyncGenerator[GenerateEvent, None]):
    """See ``Gateway.generate``; implements ``jackfield.frontends.delivery.Delivering`` too.

    Nothing happens until the first event is wanted. Event loop thread.

    Parameters:
        submitting: Has the request sent to its worker, and cancelled there when nobody reads any more.
    """

    __slots__ = ("_events", "_submitting")

    def __init__(self, submitting: Callable[[], AbstractContextManager[Submitted]]) -> None:
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
        with self._submitting() as submitted:
            delivery = _Delivery(submitted, taker)
            await delivery.run()
        if delivery.refusal is not None:
            raise delivery.refusal

    async def _each(self) -> AsyncGenerator[GenerateEvent, None]:
        with self._submitting() as submitted:
            while submitted.left:
                for event in submitted.read(await submitted.receiver.next()):
                    yield event


class _Delivery:
    """Hands events over as they arrive, and waits only where the taker does.

    Attributes:
        refusal: What the taker raised: the client has gone, or the frontend has a defect.
    """

    __slots__ = ("_failure", "_submitted", "_taker", "refusal")

    def __init__(self, submitted: Submitted, taker: Taker) -> None:
        self._submitted = submitted
        self._taker = taker
        self._failure: Exception | None = None
        self.refusal: Exception | None = None

    async def run(self) -> None:
        """Until all was taken, or the taker refuses. Raises what failed the request."""
        submitted, receiver = self._submitted, self._submitted.receiver
        receiver.pass_on, receiver.send_off = self._pass_on, self._send_off
        while submitted.left and self.refusal is None:
            event = receiver.take()
            if event is None:
                await receiver.wait()
            else:
                await self._send(submitted.read(event))
            if self._failure is not None:
                raise self._failure

    async def _send(self, events: Sequence[GenerateEvent]) -> None:
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
