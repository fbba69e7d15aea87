"""``RecordStore`` on SQLite: statements on a thread of their own, so that no disk holds the event loop."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from jackfield.errors import Overloaded
from jackfield_sqlite.database import open_database
from jackfield_sqlite.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from jackfield.ports.records import Record
    from jackfield_sqlite.config import SqliteConfig

Result = TypeVar("Result")

WAITING_MAX: Final = 256
"""Most calls that wait for the thread; more are refused at once."""


class SqliteStore:
    """Records in one database.

    Parameters:
        path: Of the file; None keeps everything in memory.
        config: Bounds.
        option: What the path was given as, for errors.
        clock: Unix seconds now.

    Raises:
        ManifestError: The file cannot be used.
    """

    def __init__(
        self, path: Path | None, config: SqliteConfig, *, option: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._connection = open_database(path, option)
        self._statements = Statements(self._connection, config, clock)
        self._thread = ThreadPoolExecutor(1, "sqlite")
        self._places = BoundedSemaphore(WAITING_MAX)

    async def put(self, record: Record, *, when: Literal["new", "there", "always"] = "always") -> bool:
        """See ``RecordStore``."""
        return await self._run(lambda: self._statements.put(record, when))

    async def get(self, kind: str, record_id: str, tenant: str) -> Record | None:
        """See ``RecordStore``."""
        return await self._run(lambda: self._statements.get(kind, record_id, tenant))

    async def delete(self, kind: str, record_id: str, tenant: str) -> bool:
        """See ``RecordStore``."""
        return await self._run(lambda: self._statements.delete(kind, record_id, tenant))

    async def find(
        self,
        kind: str,
        tenant: str | None,
        *,
        parent: str = "",
        after: str = "",
        limit: int = 100,
        newest_first: bool = False,
    ) -> Sequence[Record]:
        """See ``RecordStore``."""
        return await self._run(
            lambda: self._statements.find(
                kind, tenant, parent=parent, after=after, limit=limit, newest_first=newest_first
            )
        )

    async def close(self) -> None:
        """See ``RecordStore``."""
        await asyncio.wrap_future(self._thread.submit(self._connection.close))
        self._thread.shutdown(wait=False)

    async def _run(self, call: Callable[[], Result]) -> Result:
        if not self._places.acquire(blocking=False):
            raise Overloaded("too many calls wait for the record store")
        try:
            future = self._thread.submit(call)
        except BaseException:
            self._places.release()
            raise
        future.add_done_callback(self._ended)
        return await asyncio.wrap_future(future)

    def _ended(self, _: Future[Result]) -> None:
        self._places.release()
