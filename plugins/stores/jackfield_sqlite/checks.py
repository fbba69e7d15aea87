"""What ``jackfield doctor`` finds out about the database. It is read, and never opened by SQLite, which would write."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from jackfield.ports.check import CheckResult
from jackfield_sqlite.database import openness, refusal

if TYPE_CHECKING:
    from pathlib import Path

    from jackfield_sqlite.config import SqliteConfig

_MAGIC: Final = b"SQLite format 3\0"
_HEADER_BYTES: Final = 100
"""SQLite's file format 1.3: where the two marks of a program stand in the header."""
_PAGE_BYTES: Final = 4096
_VERSION_AT: Final = 60
_APPLICATION_AT: Final = 68


class Unusable(Exception):
    """Why the file cannot be used, as half a sentence."""


class FileCheck:
    """See ``jackfield.ports.check.Check``: can the file be used, and does its disk have the room?

    Parameters:
        path: The database; None is one in memory.
        config: Its bounds.
        option: Key path of the option that names *path*.
    """

    def __init__(self, path: Path | None, config: SqliteConfig, *, option: str) -> None:
        self._path = path
        self._config = config
        self._option = option

    def run(self) -> CheckResult:
        """Look at the file, or at the folder that it would be made in."""
        if self._path is None:
            message = f"{self._option} is empty: records are in memory, until the server ends"
            return CheckResult(level="ok", message=message)
        try:
            used = _used(self._path)
            status = os.statvfs(self._path.parent)
        except Unusable as error:
            return self._unusable(str(error))
        except OSError as error:
            return self._unusable(f"cannot be looked at: {error.strerror}")
        return self._room(status.f_bavail * status.f_frsize, used)

    def _room(self, free: int, used: int) -> CheckResult:
        message = (
            f"{self._option}: the file can be used; it has {used / 1e6:,.1f} MB, and {free / 1e9:,.1f} GB are free"
        )
        if self._config.max_bytes > free + used:
            limit = f"{self._option.rpartition('.')[0]}.max_bytes"
            fix = f"make room, or lower {limit} ({self._config.max_bytes / 1e9:,.1f} GB)"
            return CheckResult(level="warn", message=message, fix=fix)
        return CheckResult(level="ok", message=message)

    def _unusable(self, why: str) -> CheckResult:
        fix = "name a file of the server's user that nobody else may read, or one that can be made"
        return CheckResult(level="error", message=f"{self._option}: the file {why}", fix=fix)


def _used(path: Path) -> int:
    """Bytes of the file, which is ours; 0 where there is none and one can be made."""
    if not (path.parent.is_dir() and os.access(path.parent, os.W_OK | os.X_OK)):
        raise Unusable("is in a folder that is not there, or cannot be written to")
    if not os.path.lexists(path):
        return 0
    found = path.lstat()
    if (why := openness(found)) is not None:
        raise Unusable(why)
    _check_header(path, found.st_size)
    return found.st_size


def _check_header(path: Path, size: int) -> None:
    with path.open("rb") as stream:
        header = stream.read(_HEADER_BYTES)
    if not size:
        return
    if len(header) < _HEADER_BYTES or not header.startswith(_MAGIC):
        raise Unusable("is no database")
    application = int.from_bytes(header[_APPLICATION_AT : _APPLICATION_AT + 4], "big")
    version = int.from_bytes(header[_VERSION_AT : _VERSION_AT + 4], "big")
    # a new one's marks and tables stand in the write-ahead log at first
    new = size <= _PAGE_BYTES and not application and not version
    if not new and (why := refusal(application, version)) is not None:
        raise Unusable(why)
