"""Files that others change while they are in use: have they changed, what is in them, looks that all who ask share."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import time
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SETTLED_NS: Final = 100_000_000
"""A file changed less than 0.1 s ago may change again without looking different: clocks of file systems tick every few
milliseconds."""


class Signature(NamedTuple):
    """What changes when a file, or who may read it, changes."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int
    """Of content, owner or mode; no program can set it."""


def signature_of(status: os.stat_result) -> Signature:
    """The signature in a file's *status*. Take it before the file is read: what changes meanwhile is seen next time."""
    return Signature(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def settled(*signatures: Signature) -> bool:
    """Whether each later change of these files will be seen by their *signatures*; if not, they must be read again.

    Ask before they are read: however long that takes, it is the time of the signatures that counts.
    """
    newest = max((each.changed_ns for each in signatures), default=0)
    return time.time_ns() - newest > SETTLED_NS


def begin_of(file: Path, most: int) -> bytes:
    """What *file* has, at most its first *most* bytes.

    Raises:
        OSError: It cannot be read, or is none: a pipe in its place would hold up for ever who reads it.
    """
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            return stream.read(most)
    finally:
        os.close(descriptor)


class SharedLook:
    """Looks at files when somebody asks what they say, once for all who ask at that time. Event loop thread.

    Made when the files have been read.

    Parameters:
        look: Looks at them, and keeps its troubles to itself; blocks, and is called in another thread, once at a time.
    """

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = look
        self._began = time.monotonic()
        self._looking: asyncio.Task[None] | None = None

    async def recent(self, pause_s: float) -> None:
        """Have looked less than *pause_s* seconds ago; everybody who comes during a look waits for it."""
        if self._looking is None:
            if time.monotonic() - self._began < pause_s:
                return
            self._looking = asyncio.get_running_loop().create_task(self._in_thread())
        # one caller's deadline must not end the look that others wait for
        await asyncio.shield(self._looking)

    async def now(self) -> None:
        """Look: what is there when this is called has been seen when it returns."""
        if self._looking is not None:
            await asyncio.shield(self._looking)  # it may have begun before the files were changed
        await self.recent(0.0)

    async def _in_thread(self) -> None:
        self._began = time.monotonic()
        try:
            await asyncio.to_thread(self._look)
        finally:
            self._looking = None
