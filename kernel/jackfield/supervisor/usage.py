"""What a child takes of the machine, as ``/proc`` says."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")


class Usage(NamedTuple):
    """Of one process, at one moment. None where the system does not say."""

    memory_bytes: int | None = None
    """Resident memory."""
    threads: int | None = None


def usage(pid: int, proc: Path = _PROC) -> Usage:
    """What the process *pid* takes; nothing for one that has ended. See ``proc_pid_status(5)``."""
    try:
        lines = (proc / str(pid) / "status").read_text(errors="replace").splitlines()
    except OSError:
        return Usage()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    memory = _number(fields.get("VmRSS", ""))
    return Usage(None if memory is None else memory * 1024, _number(fields.get("Threads", "")))


def _number(text: str) -> int | None:
    first = text.split()[:1]
    return int(first[0]) if first and first[0].isdecimal() else None
