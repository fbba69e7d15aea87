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


def linked(path: Path) -> None:
    """A link to somewhere else."""
    path.symlink_to(path.parent / "elsewhere")


@pytest.mark.parametrize(
    "make", [damaged, foreign, text, newer, shared, linked, os.mkdir], ids=lambda make: make.__name__
)
def test_a_file_that_cannot_be_used_stops_the_start(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """With the option's name, and the file is as it was."""
    path = tmp_path / "records.db"
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(ManifestError, match=OPTION) as refusal:
        SqliteStore(path, SqliteConfig(), option=OPTION)
    assert refusal.value.param == OPTION
    assert str(tmp_path) not in refusal.value.message
    assert (path.read_bytes() if path.is_file() else b"") == before


@pytest.mark.parametrize("config", [{"max_bytes": 1}, {"max_records": 0}, {"keep_days": -1.0}])
def test_options_that_make_no_sense(config: dict[str, float]) -> None:
    """Are refused by name."""
    with pytest.raises(ValueError, match=next(iter(config))):
        SqliteConfig(**config)  # type: ignore[arg-type]  # fields by name
