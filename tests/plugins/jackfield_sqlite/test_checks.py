"""What ``jackfield doctor`` finds out about the database (``jackfield_checks``)."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING

import pytest

from jackfield.ports.records import Record
from jackfield.testing.kits.check import CheckKit
from jackfield_sqlite.checks import FileCheck
from jackfield_sqlite.config import SqliteConfig
from jackfield_sqlite.store import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

    from jackfield.ports.check import CheckResult

OPTION = "config.sqlite.file"


class TestConformance(CheckKit):
    """The kit; nothing is kept in a file."""

    manifest = 'enabled = ["sqlite"]'


def check(path: Path | None, max_bytes: int = 1 << 20) -> CheckResult:
    """What the check says."""
    return FileCheck(path, SqliteConfig(max_bytes=max_bytes), option=OPTION).run()


def made(path: Path) -> None:
    """A database with a record."""

    async def body() -> None:
        store = SqliteStore(path, SqliteConfig(), option=OPTION)
        await store.put(Record(kind="response", id="one", created=2e9))
        await store.close()

    asyncio.run(body())


def test_records_in_memory() -> None:
    """Are said to be."""
    assert "in memory" in check(None).message


def test_a_file_that_will_be_made(tmp_path: Path) -> None:
    """It is not made yet."""
    assert check(tmp_path / "records.db").level == "ok"
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_used(tmp_path: Path) -> None:
    """Nothing changes, and nothing appears beside it."""
    path = tmp_path / "records.db"
    made(path)
    before = path.read_bytes()
    assert check(path).level == "ok"
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (before, [path])


def test_a_file_in_use(tmp_path: Path) -> None:
    """From the first moment on: a new one's tables are not in the file yet."""

    async def body() -> CheckResult:
        path = tmp_path / "records.db"
        store = SqliteStore(path, SqliteConfig(), option=OPTION)
        found = check(path)
        await store.close()
        return found

    assert asyncio.run(body()).level == "ok"


def test_a_bound_that_does_not_fit_the_disk(tmp_path: Path) -> None:
    """It works until the disk is full."""
    found = check(tmp_path / "records.db", 1 << 60)
    assert found.level == "warn"
    assert "config.sqlite.max_bytes" in found.fix


@pytest.mark.parametrize("wrong", ["no folder", "a folder", "text", "foreign", "newer", "read by others", "a link"])
def test_a_file_that_cannot_be_used(tmp_path: Path, wrong: str) -> None:
    """It says why, and shows no path."""
    path = tmp_path / "records.db"
    if wrong == "no folder":
        path = tmp_path / "nowhere" / "records.db"
    elif wrong == "a folder":
        path.mkdir()
    elif wrong == "a link":
        path.symlink_to(tmp_path / "elsewhere")
    elif wrong == "text":
        path.write_text("notes\n" * 100)
    else:
        made(path)
        with sqlite3.connect(path) as connection:
            mark = {"foreign": "application_id = 5", "newer": "user_version = 99"}.get(wrong)
            if mark is not None:
                connection.execute(f"PRAGMA {mark}")
        connection.close()
    if path.is_file():
        path.chmod(0o644 if wrong == "read by others" else 0o600)
    found = check(path)
    assert found.level == "error"
    assert str(tmp_path) not in found.message + found.fix
