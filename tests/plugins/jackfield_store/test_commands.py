"""``jackfield store``, as a user types it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.plugins.jackfield_store.conftest import Folder

from jackfield.cli.errors import guarded
from jackfield.manifest_layers import load_manifest
from jackfield.plugins import build_kernel
from jackfield.ports.policy_store import DocumentName

if TYPE_CHECKING:
    from pathlib import Path

    from jackfield_store.store import SqlitePolicyStore


class Shell:
    """A folder with a store, and its user."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        self.secret("store.key", "00" * 32)
        self.secret("archive", "a passphrase of words")
        self.configure('key = "file:store.key"')
        self.store = Folder(folder)

    def secret(self, name: str, text: str) -> None:
        """A file that nobody else can read."""
        file = self.folder / name
        file.touch(mode=0o600)
        file.write_text(text)

    def configure(self, lines: str) -> None:
        """The plugin's options."""
        (self.folder / "plugins.toml").write_text(f'enabled = ["secrets", "store"]\n[config.store]\n{lines}\n')

    def fill(self, **contents: str) -> None:
        """Documents of the kind ``limit``."""

        async def write(store: SqlitePolicyStore) -> None:
            version = (await store.since(0)).version
            await store.change(version, {DocumentName("limit", name): text.encode() for name, text in contents.items()})

        self.store.run(write)

    def run(self, *words: str, code: int = 0) -> tuple[str, str]:
        """``jackfield store …``; it must end with *code*. What it has written on both outputs."""
        kernel = build_kernel(load_manifest(self.folder / "plugins.toml", environ={}))
        [command] = [command for _, command in kernel.commands()]
        self._capsys.readouterr()
        with contextlib.chdir(self.folder), pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["jackfield", *words])
            ended = guarded(command)
        out, err = self._capsys.readouterr()
        assert ended == code, err
        return out, err

    def json(self, *words: str) -> Any:
        """What it says for scripts."""
        return json.loads(self.run(*words, "--json")[0])

    @property
    def contents(self) -> dict[str, bytes | None]:
        """What is in the store."""

        async def read(store: SqlitePolicyStore) -> dict[str, bytes | None]:
            return {name.name: content for name, content in (await store.since(0)).documents.items()}

        return self.store.run(read)


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    """With two documents."""
    made = Shell(tmp_path, capsys)
    made.fill(a='{"of":  "a"}', b="2")
    return made


def test_list_and_show(shell: Shell) -> None:
    """For people and for scripts."""
    listed = shell.run("list")[0].splitlines()
    assert [line.split() for line in listed] == [
        ["KIND", "NAME", "VERSION", "BYTES"],
        ["limit", "a", "1", "12"],
        ["limit", "b", "1", "1"],
    ]
    assert shell.json("list", "--kind", "role") == {"version": 1, "documents": []}
    assert shell.run("show", "limit", "a")[0] == '{"of":  "a"}\n'
    assert "no document limit c" in shell.run("show", "limit", "c", code=1)[1]


def test_an_export_is_imported_elsewhere(shell: Shell, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sealed; all of it, in one step; a dry run changes nothing."""
    said = shell.json("export", "out", "--passphrase", "file:archive")
    assert (said["version"], said["documents"], said["sealed"]) == (1, 2, True)
    assert (shell.folder / "out").stat().st_mode & 0o777 == 0o600
    assert b"limit" not in (shell.folder / "out").read_bytes()
    there = tmp_path / "elsewhere"
    there.mkdir()
    other = Shell(there, capsys)
    other.fill(b="3", c="4")
    archive = str(shell.folder / "out")
    wanted = ("import", archive, "--passphrase", "file:archive")
    dry = other.json(*wanted, "--dry-run", "--replace")
    assert dry["documents"] == ["+ limit/a", "~ limit/b", "- limit/c"]
    assert other.contents == {"b": b"3", "c": b"4"}
    done = other.json(*wanted)
    assert (done["added"], done["changed"], done["deleted"], done["version"]) == (1, 1, 0, 2)
    assert other.contents == {"a": b'{"of":  "a"}', "b": b"2", "c": b"4"}
    assert "1 deleted, 2 unchanged" in other.run(*wanted, "--replace")[1]
    assert other.json(*wanted, "--replace")["unchanged"] == 2


def test_what_cannot_be_exported_or_imported(shell: Shell) -> None:
    """A passphrase or a word is wanted; nothing is replaced by chance; nothing half."""
    assert "--passphrase" in shell.run("export", "out", code=2)[1]
    assert "exclude" in shell.run("export", "out", "--plain", "--passphrase", "file:archive", code=2)[1]
    shell.run("export", "out", "--plain")
    assert json.loads((shell.folder / "out").read_text())["documents"][0]["content"] == {"of": "a"}
    assert "--force" in shell.run("export", "out", "--plain", code=1)[1]
    shell.run("export", "out", "--passphrase", "file:archive", "--force")
    assert "passphrase" in shell.run("import", "out", code=2)[1]
    assert "another one" in shell.run("import", "out", "--passphrase", "file:store.key", code=2)[1]
    (shell.folder / "broken").write_text('{"version": 1, "documents": [{"kind": "limit", "name": "z"}]}')
    assert "broken" in shell.run("import", "broken", code=2)[1]
    shell.run("import", "nowhere", code=1)
    assert set(shell.contents) == {"a", "b"}


def test_a_key_is_rotated(shell: Shell) -> None:
    """From the old secret, wherever it is; and once more with the same."""
    shell.secret("new.key", "correct horse battery staple")
    shell.configure('key = "file:new.key"')
    refused = shell.run("list", code=2)[1]
    assert "config.store.key" in refused
    assert shell.json("rotate-key", "--from", "file:store.key") == {"documents": 2}
    assert "sealed with new keys" in shell.run("rotate-key")[1]
    assert len(shell.json("list")["documents"]) == 2
    shell.configure('key = "file:store.key"')
    shell.run("list", code=2)


ROTATE = """\
import asyncio, os, signal, sys
from pathlib import Path
from jackfield.secret import Secret
from jackfield_store.store import SqlitePolicyStore

async def rotate():
    secrets = {"key": Secret("11" * 32), "old": Secret("00" * 32)}
    store = SqlitePolicyStore(Path(sys.argv[1]), lambda: secrets, option="o")
    if sys.argv[2] == "within":
        await store.rotate(lambda count: os.kill(os.getpid(), signal.SIGKILL))
    put = store._database.put
    def last(stored):
        put(stored)
        os.kill(os.getpid(), signal.SIGKILL)
    store._database.put = last
    await store.rotate(lambda count: None)

asyncio.run(rotate())
"""


@pytest.mark.parametrize("moment", ["within", "before the end"])
def test_a_rotation_that_was_killed_is_run_again(shell: Shell, moment: str) -> None:
    """It had changed nothing."""
    killed = subprocess.run([sys.executable, "-c", ROTATE, str(shell.store.path), moment], check=False, timeout=60)
    assert killed.returncode == -9
    assert set(shell.contents) == {"a", "b"}
    shell.secret("new.key", "11" * 32)
    shell.configure('key = "file:new.key"\nold_key = "file:store.key"')
    assert shell.json("rotate-key") == {"documents": 2}


def test_a_server_that_runs_sees_an_import(shell: Shell) -> None:
    """And an import sees that a server writes: it looks again."""

    async def scenario() -> None:
        store = shell.store.open()
        await store.since(0)
        await asyncio.to_thread(shell.run, "export", "out", "--plain")
        before = await store.change(1, {DocumentName("limit", "b"): b"9"})
        done = await asyncio.to_thread(shell.json, "import", "out")
        assert done["documents"] == ["~ limit/b"]
        assert (await store.since(before)).documents == {DocumentName("limit", "b"): b"2"}
        await store.close()

    asyncio.run(scenario())
