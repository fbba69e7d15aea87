"""When keys were last used: noted in memory, and written from time to time, all of it at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import structlog
from msgspec import Meta

from jackfield.errors import JackfieldError, ManifestError
from jackfield_keys.store import locked, read, replace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping
    from pathlib import Path

WRITE_S: Final = 60.0
"""Between two writes: what a server that is killed forgets at most."""


class LastUsed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is written of it."""

    last_used: dict[Annotated[str, Meta(pattern="^[0-9a-z]{6}$")], Annotated[int, Meta(ge=0, lt=1 << 40)]]
    """Unix seconds by fingerprint."""


class Uses:
    """Who was used when, since that was last written. Event loop thread.

    Parameters:
        owner: Name of the authenticator, for the log.
        write: Keeps what it is given, together with what was kept before.
    """

    def __init__(self, owner: str, write: Callable[[Mapping[str, float]], Awaitable[None]]) -> None:
        self._owner = owner
        self._write = write
        self._waiting: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._failing = False
        self.pending: dict[str, float] = {}

    def note(self, fingerprint: str, now: float) -> None:
        """The key with that *fingerprint* was used at *now*, in Unix seconds. Costs an entry in a table."""
        self.pending[fingerprint] = now
        if self._waiting is None:
            self._waiting = asyncio.get_running_loop().call_later(WRITE_S, self._begin)

    async def close(self) -> None:
        """Write what waits, and nothing later."""
        if self._waiting is not None:
            self._waiting.cancel()
        if self._writing is not None:
            await asyncio.wait([self._writing])
        await self._written()

    def _begin(self) -> None:
        self._waiting = None
        self._writing = asyncio.get_running_loop().create_task(self._written())

    async def _written(self) -> None:
        if not self.pending:
            return
        written, self.pending = self.pending, {}
        try:
            await self._write(written)
            self._failing = False
        except JackfieldError as error:
            # what cannot be written now may be later, together with what comes meanwhile
            self.pending = {**written, **self.pending}
            if not self._failing:
                self._report(error.message)
            self._failing = True

    def _report(self, reason: str) -> None:
        structlog.get_logger("jackfield.keys").warning(
            "when keys were last used cannot be written", authenticator=self._owner, reason=reason
        )


def united(one: Mapping[str, float], other: Mapping[str, float], known: Collection[str]) -> dict[str, float]:
    """The later of each, of those fingerprints that are *known*."""
    return {
        fingerprint: max(one.get(fingerprint, 0.0), other.get(fingerprint, 0.0))
        for fingerprint in one.keys() | other.keys()
        if fingerprint in known
    }


def encoded(times: Mapping[str, float]) -> bytes:
    """*times* as they are kept."""
    return msgspec.json.encode(LastUsed({fingerprint: int(at) for fingerprint, at in sorted(times.items())}))


def decoded(data: bytes | str) -> Mapping[str, float]:
    """What ``encoded`` gave.

    Raises:
        msgspec.MsgspecError: *data* is something else.
    """
    return msgspec.json.decode(data, type=LastUsed).last_used


def sidecar(path: Path) -> Path:
    """Where it is kept of the keys in the file *path*."""
    return path.with_name(f"{path.name}.last-used")


def read_last_used(path: Path) -> Mapping[str, float]:
    """What the file *path* says; nothing, where it cannot be used: no decision hangs on it."""
    try:
        return decoded(read(path, path.name)[0])
    except (ManifestError, msgspec.MsgspecError):
        return {}


def write_last_used(path: Path, times: Mapping[str, float], known: Collection[str]) -> None:
    """Add *times* to what the file *path* says.

    Raises:
        JackfieldError: It cannot be written.
    """
    with locked(path, path.name):
        replace(path, encoded(united(read_last_used(path), times, known)).decode(), path.name)
