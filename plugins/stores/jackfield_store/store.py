"""``PolicyStore`` on SQLite: statements and seals on a thread of their own, so that no disk holds the event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Final, TypeVar

from jackfield.errors import StoreUnavailable
from jackfield.ports.policy_store import Changes, VersionConflict
from jackfield.sealing.book import Book, Stored
from jackfield.sealing.store import Everything, Kept
from jackfield_store.database import Database

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future
    from pathlib import Path

    from jackfield.ports.policy_store import DocumentName
    from jackfield.sealing.book import Header
    from jackfield.secret import Secret

Result = TypeVar("Result")

WAITING_MAX: Final = 64
"""Most calls that wait for the thread; more are refused at once."""


class SqlitePolicyStore:
    """Sealed documents in one database. Implements ``PolicyStore``, ``SealedStore`` and ``Reloading``.

    Parameters:
        path: Of the file.
        secrets: What it may be sealed with, by option; the first one is what a new one is sealed with.
        option: What the path was given as, for errors.

    Raises:
        ManifestError: The file cannot be used, or it is sealed with another key.
    """

    def __init__(self, path: Path, secrets: Callable[[], Mapping[str, Secret]], *, option: str) -> None:
        self._book = Book(secrets)
        self._database = Database(path, option)
        self._thread = ThreadPoolExecutor(1, "policy-store")
        self._places = BoundedSemaphore(WAITING_MAX)
        self._database.make()
        try:
            self._begin()
        except BaseException:
            self._database.close()
            raise

    async def since(self, version: int) -> Changes:
        """See ``PolicyStore``."""
        return await self._run(lambda: self._since(version))

    async def change(self, version: int, documents: Mapping[DocumentName, bytes | None]) -> int:
        """See ``PolicyStore``."""
        return await self._run(lambda: self._change(version, documents))

    async def everything(self) -> Everything:
        """See ``SealedStore``."""
        return await self._run(self._everything)

    async def write(self, documents: Mapping[DocumentName, bytes | None], version: int) -> int:
        """See ``SealedStore``."""
        return await self.change(version, documents)

    async def rotate(self, told: Callable[[int], None]) -> int:
        """See ``SealedStore``."""
        return await self._run(lambda: self._rotate(told))

    async def reload(self) -> None:
        """See ``Reloading``: what was read holds on where the key is none of this store's any more."""
        await self._run(self._check)

    async def close(self) -> None:
        """See ``PolicyStore``."""
        await asyncio.wrap_future(self._thread.submit(self._database.close))
        self._thread.shutdown(wait=False)

    def _begin(self) -> None:
        """Make the header of a new file, or see that the key is the right one."""
        with self._database.transaction(writing=True):
            if self._database.header() is None:
                self._database.put(Stored(self._book.new(), ()))
            self._catch_up()

    def _since(self, version: int) -> Changes:
        with self._database.transaction(writing=False):
            self._catch_up()
            if version == self._book.version:
                return Changes(version=version)
            return self._book.changes(version, self._database.rows(version))

    def _change(self, version: int, documents: Mapping[DocumentName, bytes | None]) -> int:
        with self._database.transaction(writing=True):
            self._catch_up()
            if version != self._book.version:
                raise VersionConflict
            stored = self._book.written(documents)
            self._database.put(stored)
        return stored.header.version

    def _everything(self) -> Everything:
        with self._database.transaction(writing=False):
            self._catch_up()
            rows = self._database.rows(0)
            found = self._book.changes(0, rows)
        versions = {(row.kind, row.name): row.version for row in rows}
        kept = {name: Kept(versions[name], content) for name, content in found.documents.items() if content is not None}
        return Everything(found.version, kept)

    def _rotate(self, told: Callable[[int], None]) -> int:
        with self._database.transaction(writing=True):
            self._catch_up()
            stored = self._book.rotated(self._database.rows(0), told)
            self._database.put(stored)
        self._database.empty_log()
        return len(stored.rows)

    def _check(self) -> None:
        with self._database.transaction(writing=False):
            header = self._header()
        self._book.check(header)

    def _header(self) -> Header:
        header = self._database.header()
        if header is None:
            raise StoreUnavailable("the policy store's file is empty")
        return header

    def _catch_up(self) -> None:
        """Let the book see what is there now; mostly that is one small row which it knows."""
        header = self._header()
        after = self._book.needs(header)
        if after is not None:
            self._book.take(header, self._database.rows(after))

    async def _run(self, call: Callable[[], Result]) -> Result:
        if not self._places.acquire(blocking=False):
            raise StoreUnavailable("too many calls wait for the policy store")
        try:
            future = self._thread.submit(call)
        except BaseException:
            self._places.release()
            raise
        future.add_done_callback(self._ended)
        return await asyncio.wrap_future(future)

    def _ended(self, _: Future[Result]) -> None:
        self._places.release()
