"""Opening the database: whose file it is, whether it is whole, its tables."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from jackfield.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BUSY_S: Final = 4.0
"""How long a call waits for another process's: less than the port's deadline."""

APPLICATION: Final = 1246447174
"""SQLite's ``application_id`` of our files; the schema sets both."""
VERSION: Final = 1
_TABLE: Final = "SELECT count(*) FROM sqlite_master"

_SCHEMA: Final = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS records (
    kind TEXT NOT NULL, tenant TEXT NOT NULL, id TEXT NOT NULL, created REAL NOT NULL, expires REAL, gone REAL,
    parent TEXT NOT NULL, size INTEGER NOT NULL, body BLOB NOT NULL, UNIQUE (kind, tenant, id)
);
CREATE INDEX IF NOT EXISTS by_tenant ON records (kind, tenant, created, id);
CREATE INDEX IF NOT EXISTS by_time ON records (kind, created, id);
CREATE INDEX IF NOT EXISTS by_parent ON records (parent, tenant, kind, created, id) WHERE parent <> '';
CREATE INDEX IF NOT EXISTS by_end ON records (gone) WHERE gone IS NOT NULL;
CREATE TABLE IF NOT EXISTS sums (
    kind TEXT NOT NULL, tenant TEXT NOT NULL, records INTEGER NOT NULL, bytes INTEGER NOT NULL,
    PRIMARY KEY (kind, tenant)
);
CREATE TRIGGER IF NOT EXISTS added AFTER INSERT ON records BEGIN
    INSERT INTO sums VALUES (new.kind, new.tenant, 1, new.size)
    ON CONFLICT DO UPDATE SET records = records + 1, bytes = bytes + new.size;
END;
CREATE TRIGGER IF NOT EXISTS removed AFTER DELETE ON records BEGIN
    UPDATE sums SET records = records - 1, bytes = bytes - old.size WHERE kind = old.kind AND tenant = old.tenant;
    DELETE FROM sums WHERE kind = old.kind AND tenant = old.tenant AND records = 0;
END;
PRAGMA application_id = 1246447174;
PRAGMA user_version = 1;
COMMIT;
"""
"""Sums are kept by the database itself, so that they are right whoever writes and whenever somebody is killed."""


def open_database(path: Path | None, option: str) -> sqlite3.Connection:
    """A connection that any one thread at a time may use; in autocommit mode.

    Parameters:
        path: The file, which is made where there is none; None is a database in memory.
        option: What the path was given as, for errors.

    Raises:
        ManifestError: The file cannot be used: it is somebody else's, damaged, or no database of ours.
    """
    try:
        if path is not None:
            _private(path, option)
        connection = sqlite3.connect(
            ":memory:" if path is None else path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
    except OSError as error:
        raise ManifestError(f"{option} cannot be used: {error.strerror}", param=option) from error
    except sqlite3.Error as error:
        raise ManifestError(f"{option} cannot be opened: {error}", param=option) from error
    try:
        _prepared(connection, option)
    except sqlite3.Error as error:
        connection.close()
        raise ManifestError(f"{option} cannot be used: {_reason(error)}", param=option) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _prepared(connection: sqlite3.Connection, option: str) -> None:
    whole = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if whole != "ok":
        raise ManifestError(f"{option} is damaged ({whole}); move the file away", param=option)
    new = not connection.execute(_TABLE).fetchone()[0]
    if not new:
        _check_ours(connection, option)
    # after a crash nothing may be lost that a client was told is kept
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    # what is deleted is overwritten, and stands in no other file meanwhile
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA temp_store = MEMORY")
    if new:
        connection.executescript(_SCHEMA)


def empty_log(connection: sqlite3.Connection) -> bool:
    """Bring everything from the write-ahead log to its place and cut the log: deleted bodies stand in it until then.

    Returns:
        Whether it is empty; False while another process reads or writes.
    """
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def refusal(application: int, version: int) -> str | None:
    """Why a database with these marks is not to be touched; None where it is ours."""
    if application != APPLICATION:
        return "is another program's database"
    if version != VERSION:
        return f"has format {version}, and this version reads {VERSION}; move the file away"
    return None


def _check_ours(connection: sqlite3.Connection, option: str) -> None:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if (why := refusal(application, version)) is not None:
        raise ManifestError(f"{option} {why}", param=option)


def _reason(error: sqlite3.Error) -> str:
    """What is the matter, and what to do."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF  # the rest says more than anybody needs
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return "another program has locked it"
    if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}:
        return "the file and its folder must be writable for the server's user"
    if code == sqlite3.SQLITE_FULL:
        return "the disk is full"
    return f"{error}; move the file away"


def _private(path: Path, option: str) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        found = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    for each in (found, *_beside(path)):
        if (why := openness(each)) is not None:
            raise ManifestError(f"{option} {why}", param=option)


def openness(found: os.stat_result) -> str | None:
    """Why a file is not to be trusted with conversations; None where it is its user's alone."""
    if not stat.S_ISREG(found.st_mode):
        return "is no file"
    if found.st_uid != os.geteuid():
        return "belongs to another user"
    if stat.S_IMODE(found.st_mode) & 0o077:
        return "may be read by others; its mode must be 0600"
    return None


def _beside(path: Path) -> Iterator[os.stat_result]:
    """What SQLite has left beside the file, where it has."""
    for ending in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            yield path.with_name(path.name + ending).lstat()
