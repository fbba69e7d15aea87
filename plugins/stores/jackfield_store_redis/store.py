"""``PolicyStore`` on Redis. Seals are made and opened on a thread of their own."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from jackfield.errors import ManifestError, StoreUnavailable
from jackfield.ports.policy_store import Changes, VersionConflict
from jackfield.sealing.book import Book, Stored
from jackfield.sealing.store import Everything, Kept

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jackfield.ports.policy_store import DocumentName
    from jackfield.sealing.book import Row
    from jackfield.secret import Secret
    from jackfield_store_redis.connection import Connection

Result = TypeVar("Result")

ATTEMPTS: Final = 10
"""How often a read is begun again where somebody rotates the key meanwhile, and a rotation where somebody writes."""


class RedisPolicyStore:
    """Sealed documents in Redis. Implements ``PolicyStore``, ``SealedStore`` and ``Reloading``.

    Parameters:
        connection: To the server.
        secrets: What it may be sealed with, by option; the first one is what a new one is sealed with.
    """

    def __init__(self, connection: Connection, secrets: Callable[[], Mapping[str, Secret]]) -> None:
        self._connection = connection
        self._book = Book(secrets)
        self._thread = ThreadPoolExecutor(1, "policy-store")
        self._turn = asyncio.Lock()

    async def since(self, version: int) -> Changes:
        """See ``PolicyStore``."""
        async with self._turn:
            header = await self._connection.header()
            if header is not None and header == self._book.header and version == header.version:
                return Changes(version=version)
            rows = await self._read(version)
            return await self._run(self._book.changes, version, rows)

    async def change(self, version: int, documents: Mapping[DocumentName, bytes | None]) -> int:
        """See ``PolicyStore``."""
        async with self._turn:
            await self._read(version)
            before = self._book.header
            if before is None or before.version != version:
                raise VersionConflict
            stored = await self._run(self._book.written, documents)
            if not await self._connection.write(before, stored):
                raise VersionConflict
        return stored.header.version

    async def everything(self) -> Everything:
        """See ``SealedStore``."""
        async with self._turn:
            rows = await self._read(0)
            found = await self._run(self._book.changes, 0, rows)
        versions = {(row.kind, row.name): row.version for row in rows}
        kept = {name: Kept(versions[name], content) for name, content in found.documents.items() if content is not None}
        return Everything(found.version, kept)

    async def write(self, documents: Mapping[DocumentName, bytes | None], version: int) -> int:
        """See ``SealedStore``."""
        return await self.change(version, documents)

    async def rotate(self, told: Callable[[int], None]) -> int:
        """See ``SealedStore``."""
        async with self._turn:
            for _ in range(ATTEMPTS):
                rows = await self._read(0)
                before = self._book.header
                stored = await self._run(self._book.rotated, rows, told)
                if await self._connection.write(before, stored):
                    return len(stored.rows)
        raise StoreUnavailable("servers change the store at the same time; try again")

    async def reload(self) -> None:
        """See ``Reloading``: Redis may want another password, and the store may have got another key."""
        await self._connection.reload()
        async with self._turn:
            header = await self._connection.header()
            if header is not None:
                await self._run(self._book.check, header)

    async def close(self) -> None:
        """See ``PolicyStore``."""
        self._thread.shutdown(wait=False)
        await self._connection.close()

    async def _read(self, since: int) -> Sequence[Row]:
        """All rows after *since*, of the header that the book has taken; a new store gets its header."""
        floor = since
        for _ in range(ATTEMPTS):
            after = min(floor, self._book.version)
            header, rows = await self._connection.read(after)
            if header is None:
                await self._make()
                continue
            needs = self._book.needs(header)
            if needs is not None and needs < after:
                floor = needs
                continue
            if needs is not None:
                await self._run(self._book.take, header, rows)
            return [row for row in rows if row.version > since]
        raise StoreUnavailable("servers change the store at the same time; try again")

    async def _make(self) -> None:
        """The header of a new store, unless somebody else is faster; one that was there before is not made anew."""
        if self._book.known:
            raise ManifestError("the policy store is not in Redis any more; if that is meant, restart the server")
        made = await self._run(self._book.new)
        await self._connection.write(None, Stored(made, ()))

    async def _run(self, call: Callable[..., Result], *arguments: object) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(call, *arguments))
