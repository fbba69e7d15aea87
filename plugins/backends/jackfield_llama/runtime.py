"""What llama.cpp has one of per process: its initialisation, its log callback, its abort callback."""

from __future__ import annotations

import threading
from typing import Final

from jackfield_llama import library as llama
from jackfield_llama.guard import AbortGuard
from jackfield_llama.logs import LogRing


class Runtime:
    """The library's process-wide state. Started by the first user; stopping is for the end of the process."""

    def __init__(self) -> None:
        self.logs = LogRing()
        self.guard = AbortGuard()
        self._lock = threading.Lock()
        self._started = False

    def start(self) -> None:
        """Initialise llama.cpp and take over its messages; does nothing the second time."""
        with self._lock:
            if self._started:
                return
            llama.log_set(self.logs.take)
            llama.abort_set(self.guard.on_abort)
            llama.backend_init()
            self._started = True

    def stop(self) -> None:
        """Free what ``start`` took. Every model must be closed."""
        with self._lock:
            if self._started:
                llama.backend_free()
                self._started = False


RUNTIME: Final = Runtime()
