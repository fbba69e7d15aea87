"""llama.cpp's messages: to ``logging`` at debug level, and the last warnings and errors to whoever must explain a failure.

Nothing of it reaches stderr by itself. Messages carry host paths, so what is quoted to users goes through ``reason``.
"""

from __future__ import annotations

import logging
import re
import threading
from collections import deque
from pathlib import PurePath
from typing import Final

from jackfield_llama.library import LogLevel

LOGGER: Final = logging.getLogger("jackfield.llama_cpp")

KEPT_LINES: Final = 32
"""Warnings and errors that are kept; a failed load writes about five."""

REASON_MAX: Final = 300
"""Longest reason quoted in an error message, in characters: metadata of a hostile file can appear in it."""

_PREFIX: Final = re.compile(r"^[a-z_0-9]+: (error loading model: |failed to load model: )*")
_UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e]+")


class LogRing:
    """Takes llama.cpp's messages, which may come in parts and from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._partial = ""
        self._level = LogLevel.DEBUG

    def take(self, level: int, data: bytes, _user_data: object) -> None:
        """One message or part of one, as ``llama_log_set`` hands it over; a part without line end is continued."""
        text = data.decode("utf-8", "replace")
        with self._lock:
            if level != LogLevel.CONTINUED:
                self._level = level
            *lines, self._partial = (self._partial + text).split("\n")
            self._partial = self._partial[-REASON_MAX:]
            for line in lines:
                self._keep(line)

    def _keep(self, line: str) -> None:
        if not line.strip(". "):  # loading progress is dots
            return
        LOGGER.debug("%s", line)
        if self._level in (LogLevel.WARN, LogLevel.ERROR):
            self._lines.append(line)

    def clear(self) -> None:
        """Forget what was kept: what comes from here on belongs to a new attempt."""
        with self._lock:
            self._lines.clear()

    def reason(self, path: str) -> str:
        """Why the last attempt failed, as llama.cpp put it first, without the folders of *path*; empty if it said nothing."""
        with self._lock:
            lines = list(self._lines)
        for line in lines:
            said = _PREFIX.sub("", line).strip()
            if said:
                return printable(said.replace(path, PurePath(path).name))
        return ""


def printable(text: str) -> str:
    """*text* in printable ASCII and at most ``REASON_MAX`` characters."""
    return _UNPRINTABLE.sub("?", text)[:REASON_MAX]
