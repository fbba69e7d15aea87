"""The intake thread: requests wait here to be prepared, so that the loop never tokenises."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import structlog

from jackfield.channel.messages import RequestFailed
from jackfield.errors import ErrorRecord, InternalError, JackfieldError
from jackfield.lifecycle import RequestEvent
from jackfield.logs import traceback_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.channel.messages import Submit
    from jackfield.types import Started
    from jackfield.worker.links import RequestHandle

log = structlog.get_logger("jackfield.worker")

Prepared = TypeVar("Prepared")


class Preparer(Protocol[Prepared]):
    """Turns requests into what a loop runs."""

    def prepare(self, message: Submit, recipient: RequestHandle) -> Prepared:
        """Tokenise, measure and check; raise ``JackfieldError`` to refuse."""
        ...

    def announce(self, prepared: Prepared, /) -> Started | None:
        """What the client is told before the loop has begun."""
        ...


class Intake(Generic[Prepared]):
    """The intake thread and its queue.

    Parameters:
        preparation: Does the work.
        submit: Takes prepared requests: the loop's inbox.
    """

    def __init__(self, preparation: Preparer[Prepared], submit: Callable[[Prepared], None]) -> None:
        self._preparation = preparation
        self._submit = submit
        self._queue: queue.SimpleQueue[tuple[RequestHandle, Submit] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, handle: RequestHandle, message: Submit) -> None:
        """Queue a request. Links thread."""
        self._queue.put((handle, message))

    def stop(self) -> None:
        """End the thread after what is queued. Any other thread."""
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            handle, message = item
            if handle.cancelled:
                handle.fire(RequestEvent.CANCEL)
            else:
                self._serve(handle, message)

    def _serve(self, handle: RequestHandle, message: Submit) -> None:
        try:
            prepared = self._preparation.prepare(message, handle)
        except JackfieldError as error:
            self._refuse(handle, error)
        except Exception as error:  # noqa: BLE001 - a defect must cost one request, not the thread that serves all others
            log.critical("preparing a request failed", traceback=traceback_of(error))
            self._refuse(handle, InternalError("preparing the request failed"))
        else:
            handle.fire(RequestEvent.PREPARED)
            started = self._preparation.announce(prepared)
            if started is not None:
                handle.send(started)
            self._submit(prepared)

    @staticmethod
    def _refuse(handle: RequestHandle, error: JackfieldError) -> None:
        handle.fire(RequestEvent.FAIL)
        handle.send(RequestFailed(ErrorRecord.of(error)))
