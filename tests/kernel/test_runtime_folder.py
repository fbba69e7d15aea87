"""The folder where running servers are found: nobody else may get at it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from jackfield.runtime_folder import UnsafeFolder, check, folders, prepare, short_path


def test_places_in_order(tmp_path: Path) -> None:
    """What the operator says, what the system says, and a place of our own."""
    own = Path("/tmp") / f"jackfield-{os.geteuid()}"
    assert folders({"JACKFIELD_RUNTIME_DIR": "/run/mine", "XDG_RUNTIME_DIR": str(tmp_path)}) == [Path("/run/mine")]
    assert folders({"XDG_RUNTIME_DIR": str(tmp_path)}) == [tmp_path / "jackfield", own]
    assert folders({}) == [own]


@pytest.mark.parametrize("value", ["", "relative/folder", "/no/such/folder"])
def test_a_runtime_folder_that_cannot_be_used_is_passed_over(value: str) -> None:
    """As after ``su``, which leaves the variable of another session or none."""
    assert len(folders({"XDG_RUNTIME_DIR": value})) == 1


def test_it_is_made_for_this_user_alone(tmp_path: Path) -> None:
    """Mode 0700, and again without complaint."""
    folder = tmp_path / "jackfield"
    prepare(folder)
    prepare(folder)
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o701, 0o777, 0o1777])
def test_one_that_others_may_enter_is_refused(tmp_path: Path, mode: int) -> None:
    """Somebody may have put it there before us."""
    folder = tmp_path / "jackfield"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(UnsafeFolder, match="0700"):
        prepare(folder)


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    """A file, a link to a folder of ours, a name below a file."""
    file, link = tmp_path / "file", tmp_path / "link"
    file.touch()
    link.symlink_to(tmp_path)
    for path in (file, link, file / "below", tmp_path / "no" / "parent"):
        with pytest.raises(UnsafeFolder):
            prepare(path)


def test_one_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its mode."""
    folder = tmp_path / "jackfield"
    prepare(folder)
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(UnsafeFolder, match="another user"):
        check(folder)


def test_long_paths_can_be_bound(tmp_path: Path) -> None:
    """A socket address has 108 bytes; folders of users have more."""
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    path = folder / "127.0.0.1:8080.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        with short_path(path) as name:
            listener.bind(name)
        listener.listen()
        with socket.socket(socket.AF_UNIX) as client, short_path(path) as name:
            client.connect(name)
    assert path.is_socket()
