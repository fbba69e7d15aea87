"""The database: whose file it is, its tables, and its statements. One thread at a time."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from jackfield.errors import ManifestError, StoreUnavailable
from jackfield.sealing.book import Header, Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from jackfield.sealing.book import Stored

BUSY_S: Final = 4.0
"""How long a call waits for another process's: less than the port's deadline for changes."""

APPLICATION: Final = 1246449779
"""SQLite's ``application_id`` of our files (``JKPs``); the schema sets both."""
VERSION: Final = 1

_SCHEMA: Final = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS header (
    one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL, derivation BLOB NOT NULL, head BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS documents (
    kind TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (kind, name)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_version ON documents (version);
PRAGMA application_id = 1246449779;
PRAGMA user_version = 1;
COMMIT;
"""


class Database:
    """One connection.

    Parameters:
        path: The file.
        option: What it was given as, for errors.
    """

    def __init__(self, path: Path, option: str) -> None:
        self._path = path
        self._option = option
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] = (0, 0)

    def make(self) -> None:
        """Open the file, or make it.

        Raises:
            ManifestError: It cannot be used: it is somebody else's, damaged, or no database of ours.
        """
        try:
            # a file that is there is opened by SQLite only: closing it would give up the locks that other connections
            # of this process have (https://www.sqlite.org/howtocorrupt.html, 2.2)
            with suppress(FileExistsError):
                os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            self._open()
        except OSError as error:
            raise ManifestError(f"{self._option} cannot be used: {error.strerror}", param=self._option) from error
        except sqlite3.Error as error:
            raise ManifestError(f"{self._option} cannot be used: {error}", param=self._option) from error

    def header(self) -> Header | None:
        """What stands once; None in a new file."""
        found = self._there().execute("SELECT version, derivation, head FROM header").fetchone()
        return None if found is None else Header(*found)

    def rows(self, after: int) -> Sequence[Row]:
        """All rows after a version, in the order of their changes."""
        found = self._there().execute(
            "SELECT kind, name, version, sealed FROM documents WHERE version > ? ORDER BY version", (after,)
        )
        return [Row(*each) for each in found]

    def put(self, stored: Stored) -> None:
        """Write all of it; call in a ``transaction``."""
        connection = self._there()
        connection.execute("INSERT OR REPLACE INTO header VALUES (1, ?, ?, ?)", stored.header)
        connection.executemany("INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?)", stored.rows)

    @contextmanager
    def transaction(self, *, writing: bool) -> Iterator[None]:
        """Everything within is one step, and sees the store as it is at one moment.

        Raises:
            StoreUnavailable: The file cannot be reached, or another process has held it for ``BUSY_S``.
        """
        try:
            connection = self._reached()
            connection.execute("BEGIN IMMEDIATE" if writing else "BEGIN")
            try:
                yield
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
        except (OSError, sqlite3.Error) as error:
            self.close()
            raise StoreUnavailable(f"the policy store's file cannot be used: {_reason(error)}") from error

    def empty_log(self) -> None:
        """Bring what is new to its place and cut the log, unless another process reads or writes: then it does so."""
        with suppress(sqlite3.Error):
            self._there().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the file; the next transaction opens it again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def _there(self) -> sqlite3.Connection:
        if self._connection is None:
            raise AssertionError("only in a transaction")
        return self._connection

    def _reached(self) -> sqlite3.Connection:
        """The connection, to the file that is at the path now: a connection outlives its file."""
        found = os.stat(self._path)  # noqa: PTH116  several times a second
        if self._connection is not None and (found.st_dev, found.st_ino) == self._identity:
            return self._connection
        self.close()
        return self._open()

    def _open(self) -> sqlite3.Connection:
        self._check_files()
        connection = sqlite3.connect(
            f"{self._path.as_uri()}?mode=rw", uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
        try:
            _prepare(connection, self._option)
            found = self._path.stat()
        except BaseException:
            connection.close()
            raise
        self._identity = (found.st_dev, found.st_ino)
        self._connection = connection
        return connection

    def _check_files(self) -> None:
        for ending in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                found = self._path.with_name(self._path.name + ending).lstat()
                if (why := _openness(found)) is not None:
                    raise ManifestError(f"{self._option} {why}", param=self._option)


def _prepare(connection: sqlite3.Connection, option: str) -> None:
    whole = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if whole != "ok":
        raise ManifestError(f"{option} is damaged ({whole}); import the last export into a new file", param=option)
    new = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if not new and application != APPLICATION:
        raise ManifestError(f"{option} is another program's database", param=option)
    if not new and version != VERSION:
        raise ManifestError(f"{option} has format {version}, and this version reads {VERSION}", param=option)
    connection.execute("PRAGMA journal_mode = WAL")
    # a change that was confirmed outlives the machine
    connection.execute("PRAGMA synchronous = FULL")
    # what was sealed with an old key is overwritten
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA temp_store = MEMORY")
    if new:
        connection.executescript(_SCHEMA)


def _openness(found: os.stat_result) -> str | None:
    """Why a file is not to be trusted; None where it is its user's alone."""
    if not stat.S_ISREG(found.st_mode):
        return "is no file"
    if found.st_uid != os.geteuid():
        return "belongs to another user"
    if stat.S_IMODE(found.st_mode) & 0o077:
        return "may be read by others; its mode must be 0600"
    return None


def _reason(error: OSError | sqlite3.Error) -> str:
    return error.strerror or "it is not there" if isinstance(error, OSError) else str(error)
