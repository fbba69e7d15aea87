"""Keys in a file, as a running server follows and changes it."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Final, TypeVar

import structlog

from jackfield.errors import AuthenticatorFailed, ManifestError
from jackfield.watched_files import SharedLook, signature_of
from jackfield_keys.decode import KeyDecoder
from jackfield_keys.edit import KeyFile
from jackfield_keys.last_used import sidecar, write_last_used
from jackfield_keys.ledger import Ledger
from jackfield_keys.store import read
from jackfield_keys.witness import Witness

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from jackfield.ports.outside_change import Inventory, Tell
    from jackfield.watched_files import Signature
    from jackfield_keys.changes import Change, Result
    from jackfield_keys.records import KeyRecord

Done = TypeVar("Done")

LOOK_S: Final = 0.25
"""Between two looks at the file: a key that was revoked a second ago is refused."""

LOOK_FOR_UNKNOWN_S: Final = 0.02
"""The same where a key is not known: it may just have been made. Guesses cost the file system this much at most."""

FOLLOW_S: Final = 1.0
"""The same where nobody shows any key: what others change is in the record soon, and not when a key is used."""


class FileStorage:
    """A key file; implements ``KeyStorage``. Event loop thread; the file is read in another one.

    Changes are made one after another, in a thread of their own: however many there are, looks at the file have one.

    Parameters:
        name: Of the authenticator.
        path: The key file.
        shown: What the log calls it; callers do not learn where it is.

    Raises:
        ManifestError: The file cannot be used.
    """

    def __init__(self, name: str, path: Path, shown: str) -> None:
        self.ledger = Ledger(name)
        self._path = path
        self._shown = shown
        self._file = KeyFile(path, shown)
        self._decoder = KeyDecoder()
        self._seen: Signature | None = None
        self._turn = asyncio.Lock()
        self._log = structlog.get_logger("jackfield.keys")
        self._tell: Tell | None = None
        self._following: asyncio.Task[None] | None = None
        self._witness = Witness(self._load())
        self._looks = SharedLook(self._refresh)

    async def look(self, *, unknown: bool) -> None:
        await self._looks.recent(LOOK_FOR_UNKNOWN_S if unknown else LOOK_S)
        self._say()

    async def follow(self) -> None:
        """Have the file looked at now: what it says when this is called holds when it returns."""
        await self._looks.now()
        self._say()

    @property
    def inventory(self) -> Inventory:
        return self._witness.inventory

    def watch(self, tell: Tell) -> None:
        self._tell = tell
        self._following = asyncio.get_running_loop().create_task(self._follow_others())

    async def close(self) -> None:
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait([self._following])
            await self.follow()

    async def records(self) -> Sequence[KeyRecord]:
        return await self._in_turn(self._file.records)

    async def apply(self, change: Change[Result]) -> Result:
        result = await self._in_turn(lambda: self._witness.apply(change, self._file.apply))
        await self.follow()
        return result

    async def last_used(self) -> Mapping[str, float]:
        return await asyncio.to_thread(self._file.last_used)

    async def note_used(self, times: Mapping[str, float]) -> None:
        known = {entry.record.fingerprint for entry in self.ledger.snapshot.entries.values()}
        await asyncio.to_thread(write_last_used, sidecar(self._path), times, known)

    def _refresh(self) -> None:
        """Read the file again if it has changed. Of one that cannot be used any more no key is good."""
        self.ledger.settle()
        try:
            if self._seen is not None and signature_of(os.stat(self._path)) == self._seen:  # noqa: PTH116  2 µs less
                return
        except OSError:
            self._seen = None  # reading says what is the matter
        begun = self._witness.begin()
        try:
            records = self._load()
        except ManifestError as error:
            self._seen = None
            self.ledger.breaks(error.message)
            return
        if not self._witness.sees(records, begun):
            self._seen = None

    def _load(self) -> Sequence[KeyRecord]:
        text, seen = read(self._path, self._shown)
        records = self._decoder.decode(text, self._shown)
        self.ledger.adopt(records)
        self._seen = seen
        return records

    def _say(self) -> None:
        """Tell what others have changed; where nobody wants to know, it is not kept either."""
        for change in self._witness.take():
            if self._tell is not None:
                self._tell(change)

    async def _follow_others(self) -> None:
        while True:
            await asyncio.sleep(FOLLOW_S)
            await self.look(unknown=False)

    async def _in_turn(self, work: Callable[[], Done]) -> Done:
        """Do *work* in a thread. A caller that leaves gives up its place, but nothing that has begun."""
        await self._turn.acquire()
        task = asyncio.get_running_loop().create_task(self._in_thread(work))
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Done]) -> None:
        self._turn.release()
        if not task.cancelled():
            task.exception()  # nobody may be left to take it

    async def _in_thread(self, work: Callable[[], Done]) -> Done:
        try:
            return await asyncio.to_thread(work)
        except ManifestError as error:
            self._log.error("the key file cannot be used", reason=error.message)
            raise AuthenticatorFailed("keys cannot be read or changed now; the server's log says why") from error
