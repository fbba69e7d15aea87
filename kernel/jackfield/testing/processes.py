"""What ``/proc`` says about processes and their children. Linux only."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_MARK: Final = b"jackfield"
"""In the command line of every process we start; a process id that was given to a stranger since does not have it."""


def descendants(pid: int) -> dict[int, str]:
    """Process ids and command lines of all living processes below *pid*."""
    parents = {int(entry.name): _parent(entry) for entry in _PROC.iterdir() if entry.name.isdigit()}
    found: dict[int, str] = {}
    level = {pid}
    while level:
        level = {child for child, parent in parents.items() if parent in level}
        found |= {child: _command_line(child).decode(errors="replace") for child in level}
    return found


def alive(pid: int) -> bool:
    """Whether *pid* is a process of ours that has not ended."""
    return _MARK in _command_line(pid)


def kill(pid: int) -> None:
    """``kill -9``; nothing happens if it has ended."""
    if alive(pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _parent(entry: Path) -> int:
    try:
        stat = (entry / "stat").read_text(errors="replace")
    except OSError:
        return 0
    # the command's name stands in parentheses and may hold anything, so fields are counted from the last one
    return int(stat.rpartition(")")[2].split()[1])


def _command_line(pid: int) -> bytes:
    """NUL-separated; empty for a process that has ended, also while its parent has not yet taken its exit code."""
    with suppress(OSError):
        return (_PROC / str(pid) / "cmdline").read_bytes()
    return b""
