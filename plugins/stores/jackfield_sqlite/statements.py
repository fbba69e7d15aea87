"""What the store says to SQLite. One thread at a time; every method is one transaction."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Literal

from jackfield.ports.records import PAGE_MAX, Record, StoreFull
from jackfield_sqlite.database import empty_log

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Sequence

    from jackfield_sqlite.config import SqliteConfig

DAY_S: Final = 86_400.0

OVERHEAD: Final = 256
"""Bytes that a record counts besides its body: its row, and its places in the indexes."""

_COLUMNS: Final = "kind, id, tenant, created, expires, parent, body"

_REMOVE: Final = """
DELETE FROM records WHERE rowid IN (WITH RECURSIVE going(place, id, tenant) AS (
    SELECT rowid, id, tenant FROM records WHERE {}
    UNION
    SELECT records.rowid, records.id, records.tenant FROM records
    JOIN going ON records.parent = going.id AND records.tenant = going.tenant AND records.parent <> ''
)
SELECT place FROM going)
"""
_REMOVE_ONE: Final = _REMOVE.format("kind = ? AND tenant = ? AND id = ?")
_REMOVE_GONE: Final = _REMOVE.format("gone <= ?")
_OLDEST_OF: Final = _REMOVE.format(
    "rowid = (SELECT rowid FROM records WHERE kind = ? AND tenant = ? ORDER BY created, id LIMIT 1)"
)
_OLDEST: Final = _REMOVE.format(
    "rowid = (SELECT rowid FROM records WHERE tenant = ? AND kind IN ({}) ORDER BY created, id LIMIT 1)"
)
_LARGEST: Final = "SELECT tenant FROM sums WHERE kind IN ({}) GROUP BY tenant ORDER BY sum(bytes) DESC LIMIT 1"


class Statements:
    """The statements of one connection.

    Parameters:
        connection: In autocommit mode.
        config: Bounds.
        clock: Unix seconds now.
    """

    def __init__(self, connection: sqlite3.Connection, config: SqliteConfig, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._config = config
        self._clock = clock
        self._uncleaned = False
        """Whether bodies that were deleted may still stand in the write-ahead log."""

    def put(self, record: Record, when: Literal["new", "there", "always"]) -> bool:
        """See ``RecordStore``."""
        size = len(record.body) + OVERHEAD
        if size > min(self._config.max_bytes, self._config.max_tenant_bytes):
            raise StoreFull(f"a record of {size} bytes is more than you may keep")
        with self._transaction():
            there = self._there(record)
            if when != "always" and there != (when == "there"):
                return False
            if there:
                self._connection.execute(
                    "DELETE FROM records WHERE kind = ? AND tenant = ? AND id = ?",
                    (record.kind, record.tenant, record.id),
                )
            self._make_room(record, size)
            self._insert(record, size)
        return True

    def get(self, kind: str, record_id: str, tenant: str) -> Record | None:
        """See ``RecordStore``."""
        self._expire()
        found = self._connection.execute(
            f"SELECT {_COLUMNS} FROM records WHERE kind = ? AND tenant = ? AND id = ?",  # noqa: S608 -- a constant
            (kind, tenant, record_id),
        ).fetchone()
        return None if found is None else _record(found)

    def delete(self, kind: str, record_id: str, tenant: str) -> bool:
        """See ``RecordStore``."""
        with self._transaction():
            removed = self._connection.execute(_REMOVE_ONE, (kind, tenant, record_id)).rowcount > 0
            self._uncleaned |= removed
        self._clean()
        return removed

    def find(
        self, kind: str, tenant: str | None, *, parent: str, after: str, limit: int, newest_first: bool
    ) -> Sequence[Record]:
        """See ``RecordStore``."""
        self._expire()
        conditions, values = ["kind = ?"], [kind]
        for column, value in (("tenant", tenant), ("parent", parent or None)):
            if value is not None:
                conditions.append(f"{column} = ?")
                values.append(value)
        order = "DESC" if newest_first else "ASC"
        bound: tuple[float, str] | tuple[()] = ()
        if after:
            place = self._place(conditions, [*values, after])
            if place is None:
                return ()
            bound = (place, after)
            conditions.append(f"(created, id) {'<' if newest_first else '>'} (?, ?)")
        found = self._connection.execute(
            f"SELECT {_COLUMNS} FROM records WHERE {' AND '.join(conditions)}"  # noqa: S608 -- of constants
            f" ORDER BY created {order}, id {order} LIMIT ?",
            (*values, *bound, min(limit, PAGE_MAX)),
        )
        return [_record(row) for row in found]

    def _place(self, conditions: Sequence[str], values: Sequence[str]) -> float | None:
        where = " AND ".join((*conditions, "id = ?"))
        found = self._connection.execute(
            f"SELECT created FROM records WHERE {where} ORDER BY created LIMIT 1",  # noqa: S608 -- of constants
            values,
        ).fetchone()
        return None if found is None else float(found[0])

    def _there(self, record: Record) -> bool:
        found = self._connection.execute(
            "SELECT 1 FROM records WHERE kind = ? AND tenant = ? AND id = ?", (record.kind, record.tenant, record.id)
        )
        return found.fetchone() is not None

    def _insert(self, record: Record, size: int) -> None:
        keep_s = self._config.keep_days * DAY_S
        ends = [end for end in (record.expires, record.created + keep_s if keep_s else None) if end is not None]
        self._connection.execute(
            "INSERT INTO records (kind, id, tenant, created, expires, parent, body, gone, size)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                record.kind,
                record.id,
                record.tenant,
                record.created,
                record.expires,
                record.parent,
                record.body,
                min(ends, default=None),
                size,
            ),
        )

    def _make_room(self, record: Record, size: int) -> None:
        """Let the oldest go until a record of *size* bytes fits; whatever is removed comes back where it does not."""
        while self._records(record.kind, record.tenant) >= self._config.max_records:
            if record.kind not in self._config.give_way:
                raise StoreFull(f"there are {self._config.max_records} records of this kind; delete some")
            self._connection.execute(_OLDEST_OF, (record.kind, record.tenant))
        while self._bytes_of(record.tenant) + size > self._config.max_tenant_bytes:
            if not self._drop_oldest_of(record.tenant):
                raise StoreFull(f"your records would take more than {self._config.max_tenant_bytes} bytes; delete some")
        while self._bytes() + size > self._config.max_bytes:
            largest = self._largest()
            if largest is None or not self._drop_oldest_of(largest):
                raise StoreFull("the record store is full")

    def _drop_oldest_of(self, tenant: str) -> bool:
        ways = self._config.give_way
        return self._connection.execute(_OLDEST.format(_marks(ways)), (tenant, *ways)).rowcount > 0

    def _largest(self) -> str | None:
        """The tenant whose records of those that may give way take most; None where nobody has any."""
        ways = self._config.give_way
        found = self._connection.execute(_LARGEST.format(_marks(ways)), ways).fetchone()
        return None if found is None else str(found[0])

    def _bytes_of(self, tenant: str) -> int:
        found = self._connection.execute("SELECT coalesce(sum(bytes), 0) FROM sums WHERE tenant = ?", (tenant,))
        return int(found.fetchone()[0])

    def _records(self, kind: str, tenant: str) -> int:
        found = self._connection.execute("SELECT records FROM sums WHERE kind = ? AND tenant = ?", (kind, tenant))
        return int((found.fetchone() or (0,))[0])

    def _bytes(self) -> int:
        return int(self._connection.execute("SELECT coalesce(sum(bytes), 0) FROM sums").fetchone()[0])

    def _expire(self) -> None:
        """Remove what has expired, and what belongs to it. Mostly there is nothing, and nothing is written."""
        now = self._clock()
        if self._connection.execute("SELECT 1 FROM records WHERE gone <= ? LIMIT 1", (now,)).fetchone():
            self._connection.execute(_REMOVE_GONE, (now,))
            self._uncleaned = True
        if not self._connection.in_transaction:
            self._clean()

    def _clean(self) -> None:
        """Leave nothing of what was deleted on the disk; while another process is in the way, that is put off."""
        if self._uncleaned:
            self._uncleaned = not empty_log(self._connection)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        # immediate: one that would begin by reading could not become a writer while another process writes
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._expire()
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            # a full disk may have ended it already
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))


def _record(row: tuple[str, str, str, float, float | None, str, bytes]) -> Record:
    kind, record_id, tenant, created, expires, parent, body = row
    return Record(kind=kind, id=record_id, tenant=tenant, created=created, expires=expires, parent=parent, body=body)
