"""The intake thread: requests wait here to be prepared, so that the loop never tokenises.

What takes long in that is for threads of its own (``jackfield.worker.compiling``), and what comes behind passes it.
"""

from __future__ import annotations

import queue
import threading
from functools import partial
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import structlog

from jackfield.channel.messages import RequestFailed
from jackfield.error_record import ErrorRecord
from jackfield.errors import InternalError, JackfieldError
from jackfield.lifecycle import RequestEvent
from jackfield.logs import traceback_of
from jackfield.pooled import PoolRequest
from jackfield.questions import ListSequences, SaveSlot
from jackfield.types import GenerateRequest
from jackfield.worker.compiling import CompilingThreads, Costly, Job

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.channel.messages import Submit
    from jackfield.questions import Question, Reply, Sequences, SlotDone
    from jackfield.types import Started
    from jackfield.worker.links import RequestHandle

log = structlog.get_logger("jackfield.worker")

Prepared = TypeVar("Prepared")
Done = TypeVar("Done")


class Preparer(Protocol[Prepared]):
    """Turns requests into what a loop runs."""

    def prepare(self, message: Submit, recipient: RequestHandle) -> Prepared | Costly[Prepared]:
        """Tokenise, measure and check; raise ``JackfieldError`` to refuse. What takes long is left for later."""
        ...

    def answer(self, question: Question, /) -> Reply:
        """Answer at once; raise ``JackfieldError`` to refuse."""
        ...

    def announce(self, prepared: Prepared, /) -> Started | None:
        """What the client is told before the loop has begun."""
        ...


class Intake(Generic[Prepared]):
    """The intake thread, its queue, and the threads for what takes long.

    Parameters:
        preparation: Does the work.
        submit: Takes prepared requests, from any thread: the loop's inbox.
        sequences: Has somebody told, by the loop, what runs and waits; None where the loop runs no sequences.
        slots: Saves and restores slots for a tenant, which takes a while; None where there are none.
    """

    def __init__(
        self,
        preparation: Preparer[Prepared],
        submit: Callable[[Prepared], None],
        sequences: Callable[[Callable[[Sequences], None]], None] | None = None,
        slots: Callable[[SaveSlot, str], SlotDone] | None = None,
    ) -> None:
        self._slots = slots
        self._sequences = sequences
        self._preparation = preparation
        self._submit = submit
        self._queue: queue.SimpleQueue[tuple[RequestHandle, Submit] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)
        self._compiling = CompilingThreads()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, handle: RequestHandle, message: Submit) -> None:
        """Queue a request. Links thread."""
        self._queue.put((handle, message))

    def stop(self) -> None:
        """End the threads: after what is queued, but for what takes long and was not begun. Any other thread."""
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join()
        self._compiling.stop()

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            handle, message = item
            if isinstance(message.request, GenerateRequest | PoolRequest):
                self._prepare(handle, partial(self._preparation.prepare, message, handle))
            elif isinstance(message.request, ListSequences) and self._sequences is not None:
                self._sequences(partial(self._tell, handle))
            elif isinstance(message.request, SaveSlot) and self._slots is not None:
                work = partial(self._slots, message.request, message.tenant)
                self._compiling.put(message.tenant, Job(handle, partial(self._reply, handle, work)))
            else:
                self._reply(handle, partial(self._preparation.answer, message.request))

    def _prepare(self, handle: RequestHandle, work: Callable[[], Prepared | Costly[Prepared]]) -> None:
        """Do *work* for *handle* and pass on what comes of it. Intake thread, or one that compiles."""
        prepared = self._done(handle, work)
        if isinstance(prepared, Costly):
            self._compiling.put(prepared.tenant, Job(handle, partial(self._prepare, handle, prepared.finish)))
        elif prepared is not None:
            self._hand_over(handle, prepared)

    def _reply(self, handle: RequestHandle, work: Callable[[], Reply]) -> None:
        """Intake thread, or one for what takes long."""
        reply = self._done(handle, work)
        if reply is not None:
            self._tell(handle, reply)

    @staticmethod
    def _tell(handle: RequestHandle, reply: Reply) -> None:
        """Intake thread, or the loop's."""
        handle.fire(RequestEvent.CANCEL if handle.cancelled else RequestEvent.END)
        handle.send(reply)

    def _done(self, handle: RequestHandle, work: Callable[[], Done]) -> Done | None:
        """What comes of *work*; None where *handle* was told that nothing does."""
        if handle.cancelled:
            handle.fire(RequestEvent.CANCEL)
            return None
        try:
            return work()
        except JackfieldError as error:
            self._refuse(handle, error)
        except Exception as error:  # noqa: BLE001 - a defect must cost one request, not the thread that serves all others
            log.critical("preparing a request failed", traceback=traceback_of(error))
            self._refuse(handle, InternalError("preparing the request failed"))
        return None

    def _hand_over(self, handle: RequestHandle, prepared: Prepared) -> None:
        handle.fire(RequestEvent.PREPARED)
        started = self._preparation.announce(prepared)
        if started is not None:
            handle.send(started)
        self._submit(prepared)

    @staticmethod
    def _refuse(handle: RequestHandle, error: JackfieldError) -> None:
        handle.fire(RequestEvent.FAIL)
        handle.send(RequestFailed(ErrorRecord.of(error)))
