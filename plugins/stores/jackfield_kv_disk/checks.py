"""What ``jackfield doctor`` finds out about the folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from jackfield.ports.check import CheckResult
from jackfield_kv_disk.folder import FolderUnusable, check_private, reason

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Literal


class FolderCheck:
    """See ``jackfield.ports.check.Check``: can the folder be used, and does its disk have the room?

    Parameters:
        folder: Of all models.
        limit: Most bytes for each model.
        option: Key path of the option that names *folder*.
    """

    def __init__(self, folder: Path, limit: int | Literal["auto"], *, option: str) -> None:
        self._folder = folder
        self._limit = limit
        self._option = option

    def run(self) -> CheckResult:
        """Look at it, or at the folder that it would be made in."""
        try:
            there = _nearest(self._folder)
            if there == self._folder:
                check_private(there)
            if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
                raise FolderUnusable("cannot be written to")
            status = os.statvfs(there)
        except FolderUnusable as error:
            return self._unusable(str(error))
        except OSError as error:
            return self._unusable(f"cannot be looked at: {reason(error)}")
        free = status.f_bavail * status.f_frsize
        message = f"{self._option}: the folder can be used; {_gigabytes(free)} are free there"
        if isinstance(self._limit, int) and self._limit > free + _used(self._folder):
            fix = f"make room, or lower {self._option.rpartition('.')[0]}.limit ({_gigabytes(self._limit)} a model)"
            return CheckResult(level="warn", message=message, fix=fix)
        return CheckResult(level="ok", message=message)

    def _unusable(self, why: str) -> CheckResult:
        fix = "name a folder of the server's user that nobody else may enter, or one that can be made"
        return CheckResult(level="error", message=f"{self._option}: the folder {why}", fix=fix)


def _nearest(folder: Path) -> Path:
    """*folder*, or the last of its parents that is there."""
    return next((each for each in (folder, *folder.parents) if os.path.lexists(each)), folder)


def _used(folder: Path) -> int:
    """What is there already counts as room."""
    return sum(file.stat().st_size for file in folder.glob("*/*/*.kv"))


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB"
