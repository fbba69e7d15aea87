"""llama.cpp's messages: all of them to ``logging`` at debug level, the last complaints to who must explain a failure.

Nothing of it reaches stderr by itself. Messages carry host paths, so what is quoted to users goes through ``reason``.
"""

from __future__ import annotations

import logging
import re
import threading
from collections import deque
from contextlib import contextmanager
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from jackfield_llama.library import LogLevel

if TYPE_CHECKING:
    from collections.abc import Iterator

LOGGER: Final = logging.getLogger("jackfield.llama_cpp")

KEPT_LINES: Final = 32
"""Warnings and errors that are kept; a failed load writes about five."""

REASON_MAX: Final = 300
"""Longest reason quoted in an error message, in characters: metadata of a hostile file can appear in it."""

_PREFIX: Final = re.compile(r"^[a-z_0-9]+: (error loading model: |failed to load model: )*")


class LogRing:
    """Takes llama.cpp's messages, which may come in parts and from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: deque[tuple[int, str]] = deque(maxlen=KEPT_LINES)
        self._partial = ""
        self._listener: list[str] | None = None
        self._level: int = LogLevel.DEBUG

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
        if self._listener is not None:
            self._listener.append(line)
        if self._level in (LogLevel.WARN, LogLevel.ERROR):
            self._lines.append((self._level, line))

    @contextmanager
    def listening(self) -> Iterator[list[str]]:
        """Collects all lines meanwhile. One at a time; a context or a model says some hundred."""
        with self._lock:
            lines = self._listener = []
        try:
            yield lines
        finally:
            with self._lock:
                self._listener = None

    def clear(self) -> None:
        """Forget what was kept: what comes from here on belongs to a new attempt."""
        with self._lock:
            self._lines.clear()

    def reason(self, path: str = "") -> str:
        """Why the last attempt failed: llama.cpp's first error, or else its first warning; empty if it said nothing.

        The folders of *path*, if it was about a file, are taken out.
        """
        with self._lock:
            lines = sorted(self._lines, key=lambda kept: -kept[0])  # stable: the first of the worst
        if not lines:
            return ""
        said = _PREFIX.sub("", lines[0][1]).strip()
        return printable(said.replace(path, PurePath(path).name))


def printable(text: str) -> str:
    """*text* without control characters, and at most ``REASON_MAX`` characters of it."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:REASON_MAX])
