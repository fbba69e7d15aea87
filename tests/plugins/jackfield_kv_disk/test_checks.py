"""What ``jackfield doctor`` finds out about the folder (``jackfield_checks``), and which folder that is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from jackfield import build_kernel
from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.testing.kits.check import CheckKit
from jackfield.testing.kits.kv_store_history import key, state
from jackfield_kv_disk.checks import FolderCheck
from jackfield_kv_disk.folder import default_folder

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugins.jackfield_kv_disk.conftest import Stores

    from jackfield.ports.check import CheckResult


class TestConformance(CheckKit):
    """The kit; the folder may be there or not."""

    manifest = 'enabled = ["kv-disk"]'


def check(folder: Path, limit: int = 2_000_000) -> CheckResult:
    """What the check says."""
    return FolderCheck(folder, limit, option="config.kv-disk.path").run()


def test_a_folder_that_is_used(stores: Stores) -> None:
    """Nothing in it changes."""
    store, _ = stores.open()
    assert store.put(key(), state(1, 100))
    result = check(stores.base)
    assert result.level == "ok"
    assert "GB are free" in result.message
    assert store.get(key()) == state(1, 100)


def test_a_folder_that_will_be_made(tmp_path: Path) -> None:
    """It is not made yet."""
    assert check(tmp_path / "deep" / "kv").level == "ok"
    assert list(tmp_path.iterdir()) == []


def test_a_bound_that_does_not_fit_the_disk(tmp_path: Path) -> None:
    """It works until the disk is full."""
    result = check(tmp_path / "kv", 1 << 60)
    assert result.level == "warn"
    assert "config.kv-disk.limit" in result.fix


@pytest.mark.parametrize("wrong", ["a file", "entered by others", "below a file", "a dangling link"])
def test_a_folder_that_cannot_be_used(tmp_path: Path, wrong: str) -> None:
    """As the worker would say, and what to do."""
    folder = tmp_path / "kv"
    if wrong == "entered by others":
        folder.mkdir(mode=0o755)
    elif wrong == "a dangling link":
        folder.symlink_to(tmp_path / "nowhere")
    else:
        folder.write_text("a file")
    result = check(folder / "deep" if wrong == "below a file" else folder)
    assert result.level == "error"
    assert result.message.startswith("config.kv-disk.path: the folder ")
    assert str(tmp_path) not in result.message
    assert result.fix


def test_a_folder_that_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mount that is read-only."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "cannot be written to" in check(tmp_path / "kv").message


def test_the_default_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The user's cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "jackfield" / "kv"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert default_folder() == tmp_path / "home" / ".cache" / "jackfield" / "kv"


def test_instances_have_folders_of_their_own(tmp_path: Path) -> None:
    """``jackfield_kv_stores`` of each; relative paths start at the folder of ``plugins.toml``."""
    manifest = Manifest(
        enabled=(InstanceRef("fast", "kv-disk"), InstanceRef("slow", "kv-disk")),
        kernel=KernelConfig(),
        config={"fast": {"path": "fast", "limit": 2_000_000}, "slow": {"path": str(tmp_path / "slow")}},
        file=str(tmp_path / "plugins.toml"),
    )
    stores = {name: make("demo") for name, make in build_kernel(manifest).kv_stores().items()}
    for store in stores.values():
        assert store.blocking
        store.open("layout")
    assert stores["fast"].put(key(), state(1, 100))
    assert stores["slow"].get(key()) is None
    for store in stores.values():
        store.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fast", "slow"]
