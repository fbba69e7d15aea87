"""The latest log lines of one process, kept where they outlive it.

A ring is a small file in memory that the supervisor makes for each child. The child writes its log lines into it, and
the supervisor reads them when an operator asks: also those of a child that was killed a moment ago. Nobody waits for
anybody, and the supervisor has no work while nobody asks.

Layout: 8 bytes, little-endian, with the number of bytes ever written; then ``CAPACITY`` bytes that are written round
and round. The count is written after the bytes it counts.
"""

from __future__ import annotations

import os
import tempfile
import threading
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec

CAPACITY: Final = 256 * 1024
"""Bytes kept of one child: about a thousand lines."""

LINE_MAX: Final = 8 * 1024
"""A longer line is cut: one traceback must not push everything else out."""

_HEADER: Final = 8


class LogChunk(NamedTuple):
    """What ``LogRing.read`` found."""

    data: bytes
    """Whole lines, oldest first."""
    cursor: int
    """Where the next read goes on."""


class LogRing:
    """One ring. One process at a time writes, another one reads.

    Parameters:
        descriptor: Of the file; owned from here on.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    @classmethod
    def create(cls) -> LogRing:
        """A new, empty ring; raises ``OSError`` where the system has no descriptor left."""
        if hasattr(os, "memfd_create"):
            return cls(os.memfd_create("jackfield-log"))
        with tempfile.TemporaryFile() as file:
            return cls(os.dup(file.fileno()))

    def fileno(self) -> int:
        """For the child that writes it."""
        return self._descriptor

    def write(self, line: bytes) -> None:
        """Append *line*, which has no line break. Any thread; raises ``OSError`` if the system has no memory left."""
        data = line[: LINE_MAX - 1] + b"\n"
        with self._lock:
            written = self._count()
            place = written % CAPACITY
            first = data[: CAPACITY - place]
            os.pwrite(self._descriptor, first, _HEADER + place)
            if len(first) < len(data):
                os.pwrite(self._descriptor, data[len(first) :], _HEADER)
            os.pwrite(self._descriptor, (written + len(data)).to_bytes(_HEADER, "little"), 0)

    def note(self, level: str, event: str, **fields: object) -> None:
        """Append a line of the supervisor's own, while no child writes: before it starts, or after it ended."""
        moment = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        line = {**fields, "event": event, "level": level, "timestamp": moment}
        with suppress(OSError):  # no memory left: the line is worth less than the server
            self.write(msgspec.json.encode(line))

    def read(self, cursor: int = 0) -> LogChunk:
        """The lines written since *cursor* that are still there.

        Parameters:
            cursor: That of the read before; 0 takes all there is.
        """
        end = self._count()
        oldest = max(0, end - CAPACITY)
        start = cursor if oldest <= cursor <= end else oldest
        data = self._between(start, end)
        # while we read, the writer may have gone on, over what we were reading
        damaged = max(0, self._count() + LINE_MAX - CAPACITY - start)
        if damaged or start not in (0, cursor):
            data = data[damaged:].partition(b"\n")[2]  # begins in the middle of a line
        return LogChunk(data, end)

    def close(self) -> None:
        """Forget it."""
        os.close(self._descriptor)

    def _count(self) -> int:
        return int.from_bytes(os.pread(self._descriptor, _HEADER, 0), "little")

    def _between(self, start: int, end: int) -> bytes:
        place, size = start % CAPACITY, end - start
        data = os.pread(self._descriptor, min(size, CAPACITY - place), _HEADER + place)
        return data + os.pread(self._descriptor, size - len(data), _HEADER) if len(data) < size else data
