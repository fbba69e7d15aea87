"""Loading a file nobody vouches for, in a library that answers damage by aborting the process.

llama.cpp checks much of a file and says no, but one in two hundred damaged headers fails an assertion
(``GGML_ASSERT``), which ends the process. ggml calls a callback before it does. While something runs under
``run_guarded``, in a thread of its own, that callback never returns: the thread stays parked, and the caller gets an
exception with the assertion's text. A parked thread holds its memory until the process ends, which after a failed
load is soon.
"""

from __future__ import annotations

import logging
import queue
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, TypeAlias, TypeVar

LOGGER: Final = logging.getLogger("jackfield.llama_cpp")

T = TypeVar("T")

_SOURCE_PLACE: Final = re.compile(r"^\S*?([^/\s]+:\d+: )")
"""The folder in front of ``file.cpp:123: ``, from the machine that built the library."""


class AssertionFailed(Exception):
    """llama.cpp failed an assertion; the text says which."""


@dataclass(frozen=True)
class _Returned(Generic[T]):
    value: T


class _Raised(NamedTuple):
    error: Exception


class _Aborted(NamedTuple):
    text: str


Report: TypeAlias = Callable[[float], None]
"""What guarded work calls with its progress; ends up at the caller's ``progress`` in the caller's thread."""

_parked: Final = threading.Event()
"""Never set."""


class AbortGuard:
    """Decides what a failed assertion means: an exception for guarded work, the end of the process otherwise.

    There is one per process, because the library has one callback.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._watcher: Callable[[_Aborted], None] | None = None

    def on_abort(self, message: bytes) -> None:
        """ggml's abort callback: any thread, in the middle of C code."""
        text = _SOURCE_PLACE.sub(r"\1", message.decode("utf-8", "replace"))
        watcher = self._watcher
        if watcher is None:
            LOGGER.critical("llama.cpp ends this process: %s", text)
            return
        watcher(_Aborted(text))
        _parked.wait()

    def run_guarded(self, work: Callable[[Report], T], progress: Report) -> T:
        """Run *work* in a thread and wait for it, passing its progress on.

        Parameters:
            work: What may abort. Gets a function to report its progress to.
            progress: Called in the calling thread.

        Returns:
            What *work* returned.

        Raises:
            AssertionFailed: The library would have ended the process.
            Exception: Whatever *work* or *progress* raised.
        """
        events: queue.SimpleQueue[float | _Returned[T] | _Raised | _Aborted] = queue.SimpleQueue()

        def body() -> None:
            try:
                events.put(_Returned(work(events.put)))
            except Exception as error:  # noqa: BLE001 - raised again in the caller's thread
                events.put(_Raised(error))

        with self._turn:
            self._watcher = events.put
            try:
                threading.Thread(target=body, name="llama-load", daemon=True).start()
                return _await_end(events, progress)
            finally:
                self._watcher = None


def _await_end(events: queue.SimpleQueue[float | _Returned[T] | _Raised | _Aborted], progress: Report) -> T:
    while True:
        event = events.get()
        if isinstance(event, _Returned):
            return event.value
        if isinstance(event, _Raised):
            raise event.error
        if isinstance(event, _Aborted):
            raise AssertionFailed(event.text)
        progress(event)
