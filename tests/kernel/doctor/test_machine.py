"""Checks of the machine: what they call fine, and what they warn of."""

from __future__ import annotations

import platform
import resource
import shutil
import socket
from collections import namedtuple
from typing import TYPE_CHECKING

import pytest

from jackfield.doctor import machine, network
from jackfield.machine import Machine
from jackfield.manifest import KernelConfig, Manifest
from jackfield.supervisor import listeners

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jackfield.ports.check import CheckResult

ALL = (
    machine.python,
    machine.platform,
    machine.processors,
    machine.memory,
    machine.open_files,
    machine.disk,
    machine.shared_memory,
)
Usage = namedtuple("Usage", "total used free")  # noqa: PYI024  as shutil has it


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.__name__)
def test_this_machine_gives_an_answer(check: Callable[[], CheckResult]) -> None:
    """One line, and what to do where it is not fine."""
    result = check()
    assert "\n" not in result.message
    assert bool(result.fix) == (result.level != "ok")


def test_few_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit that a server cannot raise by itself."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 1024))
    result = machine.open_files()
    assert (result.level, "1024" in result.message, "ulimit" in result.fix) == ("warn", True, True)


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a small /dev/shm."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1 << 20, 1 << 20, 0))
    assert machine.disk().level == "warn"
    assert machine.shared_memory().level == "warn"


def test_little_memory_and_few_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a small container; its limits are named."""
    monkeypatch.setattr(Machine, "available_memory", lambda _: 100 << 20)
    monkeypatch.setattr(Machine, "memory_limit", lambda _: 512 << 20)
    monkeypatch.setattr(Machine, "cores", lambda _: 1.0)
    monkeypatch.setattr(Machine, "quota", lambda _: 0.5)
    assert machine.memory().level == "warn"
    assert "the cgroup's limit is 0.5 GiB" in machine.memory().message
    assert "grants 0.5" in machine.processors().message
    assert machine.processors().level == "warn"


def test_an_old_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Named, because it costs most of the speed."""
    monkeypatch.setattr(machine, "_flags", lambda: frozenset({"sse4_2"}))
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    result = machine.processors()
    assert (result.level, "no AVX2" in result.message) == ("warn", True)


def test_something_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """By name."""
    monkeypatch.setattr(machine, "_required", lambda: ["aiohttp", "no-such-distribution"])
    result = machine.python()
    assert (result.level, "missing: no-such-distribution" in result.message) == ("error", True)


def test_limits_of_a_cgroup(tmp_path: Path) -> None:
    """The least of the group's own and those around it; no number is no limit."""
    group = tmp_path / "sys/fs/cgroup/a/b"
    group.mkdir(parents=True)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/a/b\n")
    assert Machine(tmp_path).memory_limit() is None
    (group / "memory.max").write_text("max\n")
    assert Machine(tmp_path).memory_limit() is None
    (group.parent / "memory.max").write_text("1000\n")
    assert Machine(tmp_path).memory_limit() == 1000
    assert Machine(tmp_path).quota() == float("inf")
    (group / "cpu.max").write_text("150000 100000\n")
    assert Machine(tmp_path).quota() == 1.5
    assert Machine(tmp_path).cores(frozenset({0, 1})) == 1.5


def manifest(listen: str) -> Manifest:
    """One that listens there."""
    return Manifest(enabled=(), kernel=KernelConfig(listen=listen))


def test_an_address_that_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By something that is no server of ours; a free one is left free."""
    monkeypatch.setenv("JACKFIELD_RUNTIME_DIR", str(tmp_path / "runtime"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = network.address(manifest(address), "listen")
    assert result.level == "error"
    assert address in result.message
    assert network.address(manifest(address), "listen").level == "ok"
    for one in listeners.bind(address, key="k", where="w", listen=True):
        one.close()


def test_a_runtime_folder_that_is_not_safe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server would start, but nobody could ask it anything."""
    folder = tmp_path / "runtime"
    monkeypatch.setenv("JACKFIELD_RUNTIME_DIR", str(folder))
    assert network.runtime_folder().level == "ok"
    folder.chmod(0o755)
    assert network.runtime_folder().level == "warn"
