"""Who listens at a port, as Linux's ``proc(5)`` tells it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_TABLES: Final = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))

_LISTENING: Final = "0A"
"""``TCP_LISTEN`` in these tables."""

_COLUMNS: Final = 10
"""Columns up to the socket's inode number."""

_NAME_SHOWN: Final = 40
"""Characters of a process name; the kernel keeps 15."""


class Owner(NamedTuple):
    """A process."""

    pid: int
    name: str
    """Of its program. Arguments are not looked at: they may hold secrets."""


def owners(port: int) -> list[Owner] | None:
    """The processes that listen at the TCP port *port* of any address.

    Returns:
        Those that this user may see, parents first; None where nobody listens, or the system does not tell.
    """
    inodes = {f"socket:[{inode}]" for table in _TABLES for inode in _listening(table, port)}
    if not inodes:
        return None
    found = (Owner(pid, _name(pid)) for pid in _pids() if inodes & _sockets(pid))
    return sorted(found)


def described(port: int) -> str:
    """``by python3 (process 4711)``, or what else is known of those who listen at *port*; empty where nothing is."""
    found = owners(port)
    if found is None:
        return ""
    if not found:
        return "by a process of another user"
    first, *more = found
    others = f" and {len(more)} more" if more else ""
    return f"by {first.name} (process {first.pid}){others}"


def _listening(table: Path, port: int) -> Iterator[str]:
    """Inode numbers of the sockets in *table* that listen at *port*."""
    try:
        _, *lines = table.read_text().splitlines()
    except (OSError, ValueError):
        return
    for line in lines:
        columns = line.split()
        if len(columns) < _COLUMNS or columns[3] != _LISTENING:
            continue
        if int(columns[1].rpartition(":")[2], 16) == port:
            yield columns[9]


def _pids() -> Iterator[int]:
    with suppress(OSError):
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                yield int(entry.name)


def _sockets(pid: int) -> set[str]:
    """Descriptors of a process as ``readlink`` shows them; empty for processes of others, and those that have ended."""
    shown: set[str] = set()
    with suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                shown.add(str(entry.readlink()))
    return shown


def _name(pid: int) -> str:
    try:
        name = Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    except OSError:
        return "a process"
    return "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in name)[:_NAME_SHOWN]
