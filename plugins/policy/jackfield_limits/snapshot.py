"""The file in which counters outlive a restart.

One JSON object: the version, the time, and each counter as ``[key, window's index, count, count in the one before]``.
Keys are hashes. It is written under another name and renamed, so a killed gateway leaves the old file or the new one.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from jackfield.errors import PluginError
from jackfield.whole_files import replace_file
from jackfield_limits.counters import Counter, known_window

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from jackfield_limits.counters import Counters

VERSION: Final = 1
SIZE_MAX: Final = 1 << 30
_PART: Final = 500
"""Counters that are encoded in one go: half a millisecond."""

_LOCK_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_READ_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class _Row(msgspec.Struct, frozen=True, array_like=True):
    key: str
    index: int
    current: int
    previous: int

    def __post_init__(self) -> None:
        if not known_window(self.key) or min(self.index, self.current, self.previous) < 0:
            raise ValueError("not a counter")


class _File(msgspec.Struct, frozen=True):
    version: int
    saved: float
    """Unix seconds."""
    counters: list[_Row]


class Snapshot:
    """One file. Event loop thread; the file is written in another.

    Parameters:
        path: Of the file.
        shown: As the option names it.
        interval_s: How often it is written at most.

    Raises:
        PluginError: Another gateway uses it, or its folder cannot be written.
    """

    def __init__(self, path: Path, shown: str, interval_s: float) -> None:
        self._path = path
        self._shown = shown
        self._interval_s = interval_s
        self._written = 0
        """``Counters.changes`` at the last writing."""
        self._task: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._lock: int | None = _locked(path, shown)
        self._trouble = ""
        self._lost = ""
        self._log = structlog.get_logger("jackfield_limits")

    @property
    def troubles(self) -> Sequence[str]:
        """What is wrong with the file."""
        return [trouble for trouble in (self._lost, self._trouble) if trouble]

    def read(self, counters: Counters) -> None:
        """Take over what was written down; a file that cannot be read counts as none, and is a trouble."""
        try:
            content = _content(self._path)
            file = msgspec.json.decode(content, type=_File)
            if file.version != VERSION:
                raise ValueError(f"it has version {file.version}")
        except FileNotFoundError:
            return
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            self._lost = f"the file {self._shown} cannot be read: limits have begun anew at the last start"
            self._log.warning("limits begin anew", file=self._shown, reason=type(error).__name__)
            return
        for row in file.counters:
            counters.restore(row.key, Counter(row.index, row.current, row.previous))

    def due(self, counters: Counters) -> None:
        """Something has changed: write it down soon."""
        if self._task is None and not self._closing.is_set():
            self._task = asyncio.get_running_loop().create_task(self._soon(counters))

    async def close(self, counters: Counters) -> None:
        """Write down what has changed since the last writing, and let others have the file."""
        self._closing.set()
        if self._task is not None:
            await asyncio.wait([self._task])
        await self._write(counters)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def _soon(self, counters: Counters) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), self._interval_s)
        await self._write(counters)
        self._task = None

    async def _write(self, counters: Counters) -> None:
        if counters.changes == self._written:
            return
        changes, content = counters.changes, await _encoded(counters)
        try:
            await asyncio.to_thread(replace_file, self._path, content, sole=True, durable=False)
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            if not self._trouble:
                self._log.error("limits cannot be written down", file=self._shown, reason=reason)
            self._trouble = f"the file {self._shown} cannot be written ({reason}): a restart forgets what was used"
        else:
            self._written, self._trouble = changes, ""


def _locked(path: Path, shown: str) -> int:
    """A descriptor that holds the right to write: two gateways would undo each other's counts."""
    try:
        lock = os.open(path.with_name(f"{path.name}.lock"), _LOCK_FLAGS, 0o600)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise PluginError(f"limits cannot outlive a restart: {shown} cannot be written ({reason})") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise PluginError(
            f"another gateway counts in {shown}: give this one another file, or have both count in Redis"
        ) from error
    return lock


def _content(path: Path) -> bytes:
    descriptor = os.open(path, _READ_FLAGS)
    with os.fdopen(descriptor, "rb") as file:
        if os.fstat(descriptor).st_size > SIZE_MAX:
            raise ValueError("too large")
        return file.read(SIZE_MAX)


async def _encoded(counters: Counters) -> bytes:
    """The file's content, made a part at a time: requests go on meanwhile."""
    parts: list[bytes] = []
    everything = counters.all()
    for start in range(0, len(everything), _PART):
        part = everything[start : start + _PART]
        rows = [(key, each.index, each.current, each.previous) for key, each in part if not counters.idle(key)]
        if rows:
            parts.append(msgspec.json.encode(rows)[1:-1])
        await asyncio.sleep(0)
    head = msgspec.json.encode({"version": VERSION, "saved": time.time()})
    return head[:-1] + b',"counters":[' + b",".join(parts) + b"]}"
