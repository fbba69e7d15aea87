"""Files with secrets: nobody but their owner, who is this user or root, may get at them."""

from __future__ import annotations

import os
import shlex
import stat
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_FOREIGN_BITS: Final = 0o077


def exposure(status: os.stat_result, path: Path) -> str:
    """Who else may get at a file, with what to do about it; empty where nobody may.

    Parameters:
        status: The file's.
        path: As a command line would name it.
    """
    if status.st_uid not in (os.geteuid(), 0):
        return "it belongs to another user; make it your own, or root's"
    if status.st_mode & _FOREIGN_BITS:
        mode = stat.S_IMODE(status.st_mode)
        return f"others may read or change it (mode {mode:04o}); run: chmod 600 {shlex.quote(str(path))}"
    return ""
