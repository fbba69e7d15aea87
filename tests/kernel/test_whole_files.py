"""Files that are whole or not there, whatever happens to their writer."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Final, Self

import pytest

from jackfield.whole_files import create_file, replace_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OLD: Final = b"old" * 1000
NEW: Final = b"new" * 100_000

WAYS: Final = [(sole, durable) for sole in (False, True) for durable in (False, True)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that is there."""
    file = tmp_path / "file"
    file.write_bytes(OLD)
    return file


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    """The mode is the writer's word, and not the environment's."""
    before = os.umask(0)
    yield
    os.umask(before)


def names(folder: Path) -> list[str]:
    """Of all that is there."""
    return sorted(each.name for each in folder.iterdir())


@pytest.mark.parametrize(("sole", "durable"), WAYS)
def test_content_and_mode_are_replaced(path: Path, *, sole: bool, durable: bool) -> None:
    """Also those of a file that others could read, and where there was none; nothing else is left."""
    path.chmod(0o644)
    for content in (NEW, b""):
        replace_file(path, content, sole=sole, durable=durable)
        assert path.read_bytes() == content
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.unlink()
        replace_file(path, content, sole=sole, durable=durable)
        assert path.read_bytes() == content
        assert names(path.parent) == ["file"]


@pytest.mark.parametrize("sole", [False, True])
def test_a_link_is_replaced_and_not_followed(tmp_path: Path, path: Path, *, sole: bool) -> None:
    """Neither the file's own, nor one that somebody has put where the scratch file will be."""
    link, victim = tmp_path / "link", tmp_path / "victim"
    victim.write_bytes(OLD)
    link.symlink_to(path)
    (tmp_path / ".link.tmp").symlink_to(victim)
    replace_file(link, NEW, sole=sole)
    assert not link.is_symlink()
    assert (link.read_bytes(), path.read_bytes(), victim.read_bytes()) == (NEW, OLD, OLD)


def test_what_a_killed_writer_has_left_is_removed_by_the_sole_one(path: Path) -> None:
    """Others might be writing still."""
    leftover = path.with_name(".file.tmp")
    leftover.write_bytes(b"half")
    replace_file(path, NEW)
    assert leftover.exists()
    replace_file(path, NEW, sole=True)
    assert names(path.parent) == ["file"]


@pytest.mark.parametrize("step", ["fsync", "replace", "fdopen"])
@pytest.mark.parametrize("sole", [False, True])
def test_a_full_disk_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch, step: str, *, sole: bool) -> None:
    """At any step; the next writer finds nothing in its way."""
    fail_at(monkeypatch, step)
    with pytest.raises(OSError, match="No space"):
        replace_file(path, NEW, sole=sole)
    monkeypatch.undo()
    assert path.read_bytes() == OLD
    assert names(path.parent) == ["file"]
    replace_file(path, NEW, sole=sole)
    assert path.read_bytes() == NEW


def fail_at(monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """The disk is full at *step*."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if step == "fdopen":
        real = os.fdopen
        monkeypatch.setattr(os, "fdopen", lambda descriptor, mode: _Full(real(descriptor, mode), full))
    else:
        monkeypatch.setattr(os, step, full)


class _Full:
    """A stream that nothing can be written to."""

    def __init__(self, stream: object, write: object) -> None:
        self._stream = stream
        self.write = write

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()  # type: ignore[attr-defined]


def test_a_folder_that_cannot_be_flushed_is_said(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new file is there by then, whole."""
    real, calls = os.fsync, [0]

    def second(descriptor: int) -> None:
        calls[0] += 1
        if calls[0] > 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", second)
    with pytest.raises(OSError, match="Input/output"):
        replace_file(path, NEW)
    assert path.read_bytes() == NEW
    assert names(path.parent) == ["file"]


def test_what_need_not_be_durable_is_not_flushed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written often, and a flush takes long."""
    monkeypatch.setattr(os, "fsync", lambda _: pytest.fail("it was flushed"))
    replace_file(path, NEW, durable=False)
    assert path.read_bytes() == NEW


def test_a_new_file_takes_nobodys_place(path: Path) -> None:
    """Nor that of a link to nowhere."""
    with pytest.raises(FileExistsError):
        create_file(path, NEW)
    link = path.with_name("link")
    link.symlink_to(path.with_name("nowhere"))
    with pytest.raises(FileExistsError):
        create_file(link, NEW)
    assert path.read_bytes() == OLD
    assert names(path.parent) == ["file", "link"]
    made = path.with_name("made")
    create_file(made, NEW)
    assert made.read_bytes() == NEW
    assert (stat.S_IMODE(made.stat().st_mode), made.stat().st_nlink) == (0o600, 1)
    assert names(path.parent) == ["file", "link", "made"]


KILLED: Final = """
import os, signal, sys
from pathlib import Path
from jackfield import whole_files
step, when, path, sole = sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4] == "sole"
original = getattr(os, step)
def die(*arguments, **named):
    if when == "after":
        original(*arguments, **named)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(os, step, die)
whole_files.replace_file(path, b"new" * 100_000, sole=sole)
"""


@pytest.mark.parametrize("sole", ["sole", "shared"])
@pytest.mark.parametrize(
    ("step", "when", "left"),
    [("fsync", "before", OLD), ("fsync", "after", OLD), ("replace", "before", OLD), ("replace", "after", NEW)],
)
def test_a_killed_writer_leaves_the_old_file_or_the_new_one(
    path: Path, step: str, when: str, left: bytes, sole: str
) -> None:
    """At any step."""
    done = subprocess.run([sys.executable, "-I", "-c", KILLED, step, when, str(path), sole], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == left
    replace_file(path, b"next", sole=True)
    assert path.read_bytes() == b"next"
    if sole == "sole":
        assert names(path.parent) == ["file"]


def test_several_writers_at_once_leave_one_whole_file(path: Path) -> None:
    """Whoever is last; without a lock."""
    contents = [bytes((number,)) * 200_000 for number in range(1, 9)]
    writers = [threading.Thread(target=replace_file, args=(path, content)) for content in contents]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert len(set(path.read_bytes())) in (1, len(set(OLD)))
    for writer in writers:
        writer.join()
    assert path.read_bytes() in contents
    assert names(path.parent) == ["file"]
