"""Bounds, files, several processes."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, TypeVar

import pytest

from jackfield.errors import ManifestError, Overloaded
from jackfield.ports.records import Record, StoreFull
from jackfield_sqlite.config import BYTES_MIN, SqliteConfig
from jackfield_sqlite.statements import DAY_S, OVERHEAD
from jackfield_sqlite.store import WAITING_MAX, SqliteStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

T = TypeVar("T")

OPTION = "config.sqlite.file"
NOW = 1_000_000.0


class Clock:
    """A clock that a test sets."""

    now = NOW

    def __call__(self) -> float:
        """Unix seconds."""
        return self.now


def run(
    scenario: Callable[[SqliteStore], Awaitable[T]],
    path: Path | None = None,
    config: SqliteConfig | None = None,
    clock: Clock | None = None,
) -> T:
    """Run *scenario* with a store."""

    async def body() -> T:
        store = SqliteStore(path, config or SqliteConfig(), option=OPTION, clock=clock or Clock())
        try:
            return await scenario(store)
        finally:
            await store.close()

    return asyncio.run(body())


def response(number: int, *, kind: str = "response", tenant: str = "t", size: int = 10, **more: object) -> Record:
    """The record of that number."""
    fields = {"kind": kind, "id": f"r{number:03}", "tenant": tenant, "created": NOW + number, "body": b"x" * size}
    return Record(**{**fields, **more})  # type: ignore[arg-type]  # fields by name


async def ids(store: SqliteStore, kind: str = "response", tenant: str | None = "t") -> list[str]:
    """What is there."""
    return [each.id for each in await store.find(kind, tenant)]


def test_the_oldest_gives_way_when_there_are_too_many() -> None:
    """Of the same tenant: others keep theirs."""

    async def scenario(store: SqliteStore) -> tuple[list[str], list[str]]:
        await store.put(response(0, tenant="other"))
        for number in range(5):
            await store.put(response(number))
        return await ids(store), await ids(store, tenant="other")

    assert run(scenario, config=SqliteConfig(max_records=3)) == (["r002", "r003", "r004"], ["r000"])


def test_the_oldest_gives_way_when_there_is_no_room() -> None:
    """Whoever's it is; what replaces a record does not count twice."""
    size = BYTES_MIN // 4 - OVERHEAD

    async def scenario(store: SqliteStore) -> list[str]:
        for number in range(4):
            await store.put(response(number, size=size))
        await store.put(response(3, size=size), when="there")
        assert len(await ids(store)) == 4
        await store.put(response(4, tenant="other", size=size))
        return await ids(store)

    assert run(scenario, config=SqliteConfig(max_bytes=BYTES_MIN)) == ["r001", "r002", "r003"]


def test_who_keeps_most_gives_way() -> None:
    """When there is no room: a tenant that floods the store does not cost others their conversations."""
    size = BYTES_MIN // 4 - OVERHEAD

    async def scenario(store: SqliteStore) -> tuple[list[str], list[str]]:
        await store.put(response(0, tenant="quiet", size=size))
        for number in range(1, 8):
            await store.put(response(number, tenant="loud", size=size))
        return await ids(store, tenant="quiet"), await ids(store, tenant="loud")

    assert run(scenario, config=SqliteConfig(max_bytes=BYTES_MIN)) == (["r000"], ["r005", "r006", "r007"])


def test_a_tenant_has_a_bound_of_its_own() -> None:
    """Its own records give way, or are refused; others have their room."""
    size = BYTES_MIN // 2 - OVERHEAD

    async def scenario(store: SqliteStore) -> list[str]:
        await store.put(response(0, tenant="other", kind="file", size=size))
        for number in range(1, 5):
            await store.put(response(number, size=size))
        await store.put(response(5, kind="file", size=size))
        with pytest.raises(StoreFull, match="delete some"):
            await store.put(response(6, kind="file", size=size + 1))
        with pytest.raises(StoreFull, match="more than you may keep"):
            await store.put(response(6, size=2 * size + OVERHEAD + 1))
        await store.put(response(7, tenant="other", kind="file", size=size))
        return await ids(store)

    assert run(scenario, config=SqliteConfig(max_tenant_bytes=BYTES_MIN)) == ["r004"]


def test_files_never_give_way() -> None:
    """What would be too much is refused, and nothing was lost for it."""

    async def scenario(store: SqliteStore) -> tuple[list[str], list[str]]:
        await store.put(response(0, size=100))
        await store.put(response(1, kind="file", size=BYTES_MIN // 2))
        for number, size in ((2, BYTES_MIN // 2), (3, BYTES_MIN)):
            with pytest.raises(StoreFull):
                await store.put(response(number, kind="file", size=size))
        return await ids(store), await ids(store, "file")

    assert run(scenario, config=SqliteConfig(max_bytes=BYTES_MIN)) == (["r000"], ["r001"])


def test_too_many_files_are_refused() -> None:
    """Until some are deleted."""

    async def scenario(store: SqliteStore) -> None:
        await store.put(response(0, kind="file"))
        with pytest.raises(StoreFull, match="delete some"):
            await store.put(response(1, kind="file"))
        await store.delete("file", "r000", "t")
        assert await store.put(response(1, kind="file"))

    run(scenario, config=SqliteConfig(max_records=1))


def test_records_go_after_days() -> None:
    """Counted from when they were made; or earlier, where they say so, with what belongs to them."""
    clock = Clock()

    async def scenario(store: SqliteStore) -> list[list[str]]:
        await store.put(response(0))
        await store.put(response(1, expires=NOW + 10))
        await store.put(response(2, parent="r001"))
        seen = []
        for clock.now in (NOW + 9, NOW + 10, NOW + 2 * DAY_S):
            seen.append(await ids(store))
        return seen

    found = run(scenario, config=SqliteConfig(keep_days=2.0), clock=clock)
    assert found == [["r000", "r001", "r002"], ["r000"], []]


def test_a_file_keeps_records_over_restarts(tmp_path: Path) -> None:
    """For this user only."""
    path = tmp_path / "records.db"
    run(lambda store: store.put(response(0)), path)
    assert run(lambda store: store.get("response", "r000", "t"), path) == response(0)
    assert {entry.stat().st_mode & 0o777 for entry in tmp_path.iterdir()} == {0o600}


def test_what_was_kept_survives_a_kill(tmp_path: Path) -> None:
    """A process that ends without a word right after the store said yes."""
    path = tmp_path / "records.db"
    code = """
import asyncio, os, sys
from pathlib import Path
from jackfield.ports.records import Record
from jackfield_sqlite.config import SqliteConfig
from jackfield_sqlite.store import SqliteStore

async def main():
    store = SqliteStore(Path(sys.argv[1]), SqliteConfig(keep_days=0.0), option="file")
    for number in range(20):
        await store.put(Record(kind="response", id=f"r{number:03}", tenant="t", created=1e6 + number))
    os.kill(os.getpid(), 9)

asyncio.run(main())
"""
    ended = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert ended.returncode == -9
    kept = SqliteConfig(keep_days=0.0)
    assert len(run(ids, path, kept)) == 20


def test_what_was_deleted_is_gone_from_the_disk(tmp_path: Path) -> None:
    """Every byte, in the file and in the log beside it, as soon as the answer is there; so is what has expired."""
    marks = (b"a secret of somebody's", b"what soon is over")
    clock = Clock()

    def written() -> list[bool]:
        files = b"".join(entry.read_bytes() for entry in tmp_path.iterdir())
        return [mark in files for mark in marks]

    async def scenario(store: SqliteStore) -> None:
        for number in range(40):
            expires = NOW + 10 if number % 2 else None
            await store.put(response(number, body=marks[number % 2] * (1 + 50 * number), expires=expires))
        assert written() == [True, True]
        for number in range(0, 40, 2):
            await store.delete("response", f"r{number:03}", "t")
        assert written() == [False, True]
        clock.now = NOW + 20
        assert await ids(store) == []
        assert written() == [False, False]

    run(scenario, tmp_path / "records.db", clock=clock)


def test_files_beside_it_are_private_too(tmp_path: Path) -> None:
    """While the store is open; one that others could read is refused."""
    path = tmp_path / "records.db"

    def modes() -> set[int]:
        return {entry.stat().st_mode & 0o777 for entry in tmp_path.iterdir()}

    async def scenario(store: SqliteStore) -> set[int]:
        await store.put(response(0))
        return modes()

    assert run(scenario, path) == {0o600}
    beside = tmp_path / "records.db-wal"
    beside.touch()
    beside.chmod(0o644)
    with pytest.raises(ManifestError, match="0600"):
        SqliteStore(path, SqliteConfig(), option=OPTION)


def test_a_full_disk_is_an_error_that_passes(tmp_path: Path) -> None:
    """What does not fit is not kept; what was kept is there, and once there is room it goes on."""

    async def scenario(store: SqliteStore) -> list[str]:
        await store.put(response(0))
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages}")
        for _ in range(2):
            with pytest.raises(sqlite3.OperationalError, match="full"):
                await store.put(response(1, size=100_000))
            assert await ids(store) == ["r000"]
        store._connection.execute("PRAGMA max_page_count = 100000")
        await store.put(response(1, size=100_000))
        return await ids(store)

    assert run(scenario, tmp_path / "records.db") == ["r000", "r001"]


@pytest.mark.parametrize("ended", [False, True])
def test_a_commit_that_fails_leaves_nothing_behind(tmp_path: Path, *, ended: bool) -> None:
    """Neither half a record nor a transaction that all later ones would fail over, whether SQLite has ended it or not.

    What went wrong is told, and not that there was nothing left to undo.
    """

    class Broken:
        """A connection whose first commit fails."""

        def __init__(self, connection: sqlite3.Connection) -> None:
            self._connection = connection
            self.broken = True

        def execute(self, statement: str, values: tuple[str | float | bytes | None, ...] = ()) -> sqlite3.Cursor:
            """As the connection does."""
            if statement == "COMMIT" and self.broken:
                self.broken = False
                if ended:
                    self._connection.execute("ROLLBACK")
                raise sqlite3.OperationalError("disk I/O error")
            return self._connection.execute(statement, values)

        def __getattr__(self, name: str) -> object:
            return getattr(self._connection, name)

    async def scenario(store: SqliteStore) -> list[str]:
        store._statements._connection = Broken(store._connection)  # type: ignore[assignment]  # as much as is used
        with pytest.raises(sqlite3.OperationalError, match="I/O"):
            await store.put(response(0))
        await store.put(response(1))
        return await ids(store)

    assert run(scenario, tmp_path / "records.db") == ["r001"]


def test_two_processes_write_at_the_same_time(tmp_path: Path) -> None:
    """Two stores on one file, each with a thread: nothing is lost, and only one is the first."""
    path = tmp_path / "records.db"

    async def body() -> list[bool]:
        stores = [SqliteStore(path, SqliteConfig(), option=OPTION, clock=Clock()) for _ in range(2)]
        calls = [store.put(response(number), when="new") for number in range(30) for store in stores]
        kept = await asyncio.gather(*calls)
        assert len(await ids(stores[0])) == 30
        for store in stores:
            await store.close()
        return list(kept)

    assert asyncio.run(body()).count(True) == 30


def test_more_calls_than_may_wait_are_refused() -> None:
    """At once, and not by waiting; those that wait are served."""
    gate = threading.Event()

    async def scenario(store: SqliteStore) -> int:
        blocked = [asyncio.ensure_future(store._run(gate.wait)) for _ in range(WAITING_MAX)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await store.get("response", "r000", "t")
        gate.set()
        return sum(await asyncio.gather(*blocked))

    assert run(scenario) == WAITING_MAX


_HELD: list[sqlite3.Connection] = []


def damaged(path: Path) -> None:
    """A database whose pages were overwritten."""
    run(lambda store: store.put(response(0, size=50_000)), path)
    data = bytearray(path.read_bytes())
    data[5000:30_000] = b"\xff" * 25_000
    path.write_bytes(data)


def foreign(path: Path) -> None:
    """Another program's database."""
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
    connection.close()
    path.chmod(0o600)


def text(path: Path) -> None:
    """No database."""
    path.write_text("these are my notes, please keep them\n" * 100)
    path.chmod(0o600)


def newer(path: Path) -> None:
    """A later version's."""
    run(lambda store: store.put(response(0)), path)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()


def shared(path: Path) -> None:
    """A file that others may read."""
    path.touch()
    path.chmod(0o644)


def locked(path: Path) -> None:
    """One that another program never lets go."""
    run(lambda store: store.put(response(0)), path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("BEGIN EXCLUSIVE")
    _HELD.append(connection)


def linked(path: Path) -> None:
    """A link to somewhere else."""
    path.symlink_to(path.parent / "elsewhere")


@pytest.mark.parametrize(
    "make", [damaged, foreign, text, newer, shared, linked, locked, os.mkdir], ids=lambda make: make.__name__
)
def test_a_file_that_cannot_be_used_stops_the_start(
    tmp_path: Path, make: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the option's name, and the file is as it was."""
    monkeypatch.setattr("jackfield_sqlite.database.BUSY_S", 0.05)
    path = tmp_path / "records.db"
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(ManifestError, match=OPTION) as refusal:
        SqliteStore(path, SqliteConfig(), option=OPTION)
    assert refusal.value.param == OPTION
    assert str(tmp_path) not in refusal.value.message
    assert (path.read_bytes() if path.is_file() else b"") == before
    while _HELD:
        _HELD.pop().close()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (sqlite3.SQLITE_READONLY, "writable"),
        (sqlite3.SQLITE_CANTOPEN, "writable"),
        (sqlite3.SQLITE_FULL, "disk is full"),
        (sqlite3.SQLITE_BUSY, "locked"),
        (sqlite3.SQLITE_CORRUPT, "move the file away"),
    ],
)
def test_why_a_database_cannot_be_opened(tmp_path: Path, code: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is said so that somebody can do something about it."""
    error = sqlite3.OperationalError("SQLite's words")
    error.sqlite_errorcode = code

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("jackfield_sqlite.database._prepared", fail)
    with pytest.raises(ManifestError, match=said):
        SqliteStore(tmp_path / "records.db", SqliteConfig(), option=OPTION)


@pytest.mark.parametrize("config", [{"max_bytes": 1}, {"max_tenant_bytes": 1}, {"max_records": 0}, {"keep_days": -1.0}])
def test_options_that_make_no_sense(config: dict[str, float]) -> None:
    """Are refused by name."""
    with pytest.raises(ValueError, match=next(iter(config))):
        SqliteConfig(**config)  # type: ignore[arg-type]  # fields by name
