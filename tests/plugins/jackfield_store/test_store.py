"""What the file holds, who may change it, and when it cannot be reached."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from jackfield.errors import ManifestError, StoreUnavailable
from jackfield.manifest_layers import load_manifest
from jackfield.plugins import build_kernel
from jackfield.ports.policy_store import Changes, DocumentName
from jackfield.secret import Secret
from jackfield_store.checks import StoreCheck

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugins.jackfield_store.conftest import Folder

    from jackfield_store.store import SqlitePolicyStore

A, B = DocumentName("limit", "a"), DocumentName("limit", "b")

WRITER = """\
import asyncio, sys
from pathlib import Path
from jackfield.ports.policy_store import Changes, DocumentName
from jackfield.secret import Secret
from jackfield_store.store import SqlitePolicyStore

async def write():
    store = SqlitePolicyStore(Path(sys.argv[1]), lambda: {"key": Secret("00" * 32)}, option="o")
    version = (await store.since(0)).version
    number = 0
    while True:
        content = b"%d" % number
        version = await store.change(version, {DocumentName("limit", f"n{each}"): content for each in range(20)})
        print(version, number, flush=True)
        number += 1
        if number % 3 == 0:
            await store.rotate(lambda count: None)

asyncio.run(write())
"""


async def filled(store: SqlitePolicyStore) -> int:
    """Two documents, each written at a version of its own."""
    return await store.change(await store.change(0, {A: b'{"of": "a"}'}), {B: b'{"of": "b"}'})


async def everything(store: SqlitePolicyStore) -> Changes:
    """All that there is."""
    return await store.since(0)


def edited(path: Path, *statements: str) -> None:
    """Have SQLite do that, as somebody with an editor would."""
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_one_store_with_its_options(tmp_path: Path) -> None:
    """Under the instance's name; relative paths start at the manifest, and nothing is made before it is asked for."""
    (tmp_path / "k").touch(mode=0o600)
    (tmp_path / "k").write_text("a passphrase of many words\n")
    file = tmp_path / "plugins.toml"
    file.write_text('enabled = ["secrets", "rules=store"]\n[config.rules]\nfile = "r.db"\nkey = "file:k"\n')
    kernel = build_kernel(load_manifest(file, environ={}))
    [(name, factory)] = kernel.policy_stores().items()
    assert name == "rules"
    assert not (tmp_path / "r.db").exists()

    async def body() -> int:
        store = factory()
        version = await store.change(0, {A: b"1"})
        await store.close()
        return version

    assert asyncio.run(body()) == 1
    assert (tmp_path / "r.db").stat().st_mode & 0o777 == 0o600


def test_nothing_of_a_document_can_be_read_in_the_files(folder: Folder) -> None:
    """Nor of the key, while it is used and afterwards."""

    async def use(store: SqlitePolicyStore) -> None:
        await store.change(0, {A: b"a word that nobody else has"})
        for file in folder.path.parent.iterdir():
            assert b"a word" not in file.read_bytes()
            assert file.stat().st_mode & 0o077 == 0

    folder.run(use)
    assert b"a word" not in folder.path.read_bytes()


def test_another_key_refuses_the_start(folder: Folder) -> None:
    """And names the option, and shows neither."""
    folder.run(filled)
    folder.secrets = {"config.store.key": Secret("11" * 32)}
    with pytest.raises(ManifestError, match=r"config\.store\.key") as refused:
        folder.open()
    assert refused.value.param == "config.store.key"
    assert "1111" not in refused.value.message


def test_a_passphrase_works_and_a_short_one_does_not(folder: Folder) -> None:
    """What is stored says how the key was made."""
    folder.secrets = {"config.store.key": Secret("correct horse battery")}
    folder.run(filled)
    assert len(folder.run(everything).documents) == 2
    folder.secrets = {"config.store.key": Secret("correct horse batterz")}
    with pytest.raises(ManifestError, match="another key"):
        folder.open()
    folder.path.unlink()
    folder.secrets = {"config.store.key": Secret("short")}
    with pytest.raises(ManifestError, match="too short") as refused:
        folder.open()
    assert refused.value.param == "config.store.key"


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE documents SET sealed = (SELECT sealed FROM documents WHERE name = 'b') WHERE name = 'a'",
        "UPDATE documents SET name = 'c' WHERE name = 'a'",
        "UPDATE documents SET kind = 'role' WHERE name = 'a'",
        "UPDATE documents SET version = 2 WHERE name = 'a'",
        "UPDATE documents SET sealed = substr(sealed, 1, 20) WHERE name = 'a'",
        "UPDATE documents SET sealed = x'' WHERE name = 'a'",
        "DELETE FROM documents WHERE name = 'a'",
        "UPDATE header SET version = 1",
        "UPDATE header SET head = zeroblob(60)",
        "UPDATE header SET derivation = x'c1'",
    ],
)
def test_what_somebody_else_has_changed_is_noticed(folder: Folder, edit: str) -> None:
    """At the next start, and by a server that runs: it says so and gives nothing of it."""
    folder.run(filled)
    edited(folder.path, edit)
    with pytest.raises(ManifestError):
        folder.run(everything)


def test_a_document_that_was_put_back_is_noticed(folder: Folder) -> None:
    """Whole, with its version, as it once was: a revoked key would be good again."""

    async def older(store: SqlitePolicyStore) -> None:
        await store.change(0, {A: b"1"})

    folder.run(older)
    kept = folder.path.with_name("kept.db")
    shutil.copy(folder.path, kept)

    async def newer(store: SqlitePolicyStore) -> None:
        await store.change(1, {A: b"2"})

    folder.run(newer)
    edited(
        folder.path,
        f"ATTACH '{kept}' AS kept",
        "DELETE FROM documents",
        "INSERT INTO documents SELECT * FROM kept.documents",
    )
    with pytest.raises(ManifestError, match="somebody else"):
        folder.run(everything)


def test_an_older_copy_is_refused_by_whoever_has_seen_the_newer_one(folder: Folder) -> None:
    """Whoever starts then cannot know."""

    async def one(store: SqlitePolicyStore) -> None:
        await store.change(0, {A: b"1"})

    async def use(store: SqlitePolicyStore) -> None:
        version = (await store.since(0)).version
        await store.change(version, {A: b"2"})
        for ending in ("", "-wal", "-shm"):
            folder.path.with_name(folder.path.name + ending).unlink()
        folder.path.with_name("kept.db").rename(folder.path)
        with pytest.raises(ManifestError, match="gone back from version 2 to 1"):
            await store.since(2)

    folder.run(one)
    shutil.copy(folder.path, folder.path.with_name("kept.db"))
    folder.run(use)
    assert folder.run(everything).documents == {A: b"1"}


def test_a_file_that_is_away_is_not_made_anew(folder: Folder) -> None:
    """It is missed at once, though its connection would go on; and is read again when it is back."""

    async def use(store: SqlitePolicyStore) -> None:
        await filled(store)
        hidden = folder.path.parent / "hidden"
        hidden.mkdir()
        files = [file for file in folder.path.parent.iterdir() if file.is_file()]
        for file in files:
            file.rename(hidden / file.name)
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                await store.since(2)
        with pytest.raises(StoreUnavailable):
            await store.change(2, {A: b"3"})
        assert not folder.path.exists()
        for file in files:
            (hidden / file.name).rename(file)
        assert (await store.since(0)).version == 2

    folder.run(use)


@pytest.mark.parametrize("wrong", ["a folder", "text", "foreign", "newer", "read by others", "a link", "no folder"])
def test_a_file_that_cannot_be_used_refuses_the_start(folder: Folder, wrong: str) -> None:
    """It names the option, and shows no path."""
    path = folder.path
    if wrong == "no folder":
        folder.path = path.parent / "nowhere" / path.name
    elif wrong == "a folder":
        path.mkdir()
    elif wrong == "a link":
        path.symlink_to(path.parent / "elsewhere")
    elif wrong == "text":
        path.write_text("notes\n" * 2000)
        path.chmod(0o600)
    else:
        folder.run(filled)
        mark = {"foreign": "PRAGMA application_id = 5", "newer": "PRAGMA user_version = 99"}.get(wrong)
        if mark is not None:
            edited(path, mark)
        path.chmod(0o644 if wrong == "read by others" else 0o600)
    with pytest.raises(ManifestError, match=r"config\.store\.file") as refused:
        folder.open()
    assert str(path.parent) not in refused.value.message


def test_a_rotated_key_is_taken_up_by_those_that_have_it(folder: Folder) -> None:
    """A server that runs with both goes on; one with the old alone says so; nothing of the old seals is left."""
    new = Secret("22" * 32)
    folder.run(filled)
    sealed = sqlite3.connect(folder.path).execute("SELECT sealed FROM documents").fetchall()

    async def use(store: SqlitePolicyStore) -> None:
        await store.since(0)
        old_alone = folder.open()
        old_key = folder.secrets["config.store.key"]
        both = {"config.store.key": new, "config.store.old_key": old_key}
        folder.secrets = both
        rotating = folder.open()
        seen: list[int] = []
        assert await rotating.rotate(seen.append) == 2
        assert sum(seen) == 2
        assert (await store.since(0)).documents == {A: b'{"of": "a"}', B: b'{"of": "b"}'}
        assert (await store.change(2, {A: None})) == 3
        folder.secrets = {"config.store.key": old_key}
        with pytest.raises(ManifestError, match="another key"):
            await old_alone.since(2)
        await rotating.close()
        await old_alone.close()

    folder.run(use)
    folder.secrets = {"config.store.key": new}
    assert folder.run(everything).documents == {A: None, B: b'{"of": "b"}'}
    data = folder.path.read_bytes()
    assert not any(each in data for (each,) in sealed)


def test_a_rotation_that_fails_leaves_everything_as_it_was(folder: Folder) -> None:
    """Wherever it is cut."""

    def fail(_count: int) -> None:
        raise KeyboardInterrupt

    async def use(store: SqlitePolicyStore) -> None:
        await filled(store)
        with pytest.raises(KeyboardInterrupt):
            store._rotate(fail)

    folder.run(use)
    assert len(folder.run(everything).documents) == 2


def test_killed_writers_leave_whole_changes(folder: Folder) -> None:
    """``kill -9`` at any moment, of writing and of rotating: what was confirmed is there, and each change is whole."""
    chance = random.Random(4)
    for _ in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder.path)], stdout=subprocess.PIPE, text=True, bufsize=1
        ) as writer:
            assert writer.stdout is not None
            told = [writer.stdout.readline() for _ in range(chance.randrange(2, 25))]
            os.kill(writer.pid, signal.SIGKILL)
            told += writer.stdout.read().splitlines()
        lines = [line.split() for line in told if len(line.split()) == 2]
        version, number = int(lines[-1][0]), int(lines[-1][1])
        found = folder.run(everything)
        contents = {content for name, content in found.documents.items()}
        assert found.version in {version, version + 1}
        assert contents == {b"%d" % (number + found.version - version)}


READER = """\
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
print(connection.execute("SELECT version FROM header").fetchone()[0])
connection.close()
"""


def test_other_processes_see_what_one_of_several_in_this_process_writes(folder: Folder) -> None:
    """Opening another one does not give up the locks of the first, with which others would take its log away."""

    def seen() -> int:
        return int(subprocess.check_output([sys.executable, "-c", READER, str(folder.path)]))

    async def use(store: SqlitePolicyStore) -> None:
        await filled(store)
        other = folder.open()
        assert seen() == 2
        await store.change(2, {A: b"3"})
        assert seen() == 3
        assert (await other.since(2)).documents == {A: b"3"}
        await other.close()

    folder.run(use)


def test_doctor_says_what_is_there(folder: Folder) -> None:
    """And makes nothing."""

    def found() -> tuple[str, str]:
        result = StoreCheck(folder.path, lambda: folder.secrets, option="config.store.file").run()
        return result.level, result.message

    assert found() == ("ok", "config.store.file: the file will be made, and the secret can be used")
    assert list(folder.path.parent.iterdir()) == []
    folder.run(filled)
    assert found() == ("ok", "config.store.file: version 2, 2 documents")
    folder.secrets = {"config.store.key": Secret("11" * 32)}
    assert found()[0] == "error"
    assert "config.store.key" in found()[1]


def test_more_calls_than_it_can_take_are_refused(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once: a disk that hangs does not fill the memory."""
    monkeypatch.setattr("jackfield_store.store.WAITING_MAX", 2)

    async def use(store: SqlitePolicyStore) -> list[BaseException | Changes]:
        disk = threading.Event()

        def hang(version: int) -> Changes:
            disk.wait()
            return Changes(version=version)

        monkeypatch.setattr(store, "_since", hang)
        calls = [asyncio.create_task(store.since(0)) for _ in range(5)]
        await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        disk.set()
        return list(await asyncio.gather(*calls, return_exceptions=True))

    found = folder.run(use)
    assert [type(each).__name__ for each in found] == ["Changes"] * 2 + ["StoreUnavailable"] * 3
