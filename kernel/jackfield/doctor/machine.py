"""Checks of the machine: what every server needs, whatever it serves."""

from __future__ import annotations

import importlib.metadata
import os
import platform as python_platform
import re
import resource
import shutil
import sys
from pathlib import Path
from typing import Final

from jackfield.machine import Machine
from jackfield.platforms import Surroundings, platforms
from jackfield.ports.check import CheckResult

FILES_MIN: Final = 4096
"""Open files: a thousand streams, each a client's connection, with room for what else there is."""

MEMORY_MIN: Final = 1 << 30
"""Free memory in bytes below which hardly any model beyond the demo fits."""

DISK_MIN: Final = 1 << 30
"""Free disk in bytes below which logs and downloads soon fail."""

SHARED_MIN: Final = 64 << 20
"""``/dev/shm`` in bytes: what container runtimes give by default."""

_REQUIREMENT: Final = re.compile(r"[A-Za-z0-9._-]+")
_SHARED: Final = Path("/dev/shm")  # noqa: S108  looked at, not written to


def python() -> CheckResult:
    """The interpreter, and whether everything that Jackfield needs is installed."""
    missing = [name for name in _required() if not _installed(name)]
    version = f"Python {python_platform.python_version()}, {sys.maxsize.bit_length() + 1} bit"
    if missing:
        return CheckResult(
            level="error",
            message=f"{version}; missing: {', '.join(missing)}",
            fix="pip install --force-reinstall jackfield",
        )
    return CheckResult(level="ok", message=version)


def platform() -> CheckResult:
    """Where it runs."""
    name = f"{python_platform.system()} {python_platform.release()} {python_platform.machine()}"
    return CheckResult(level="ok", message=f"{', '.join(platforms(Surroundings.here()))}; {name}")


def processors() -> CheckResult:
    """How many cores, and whether they have what inference needs."""
    machine = Machine()
    flags = _flags()
    count = f"{machine.cores():g} cores"
    if machine.quota() != float("inf"):
        count += f" (the cgroup grants {machine.quota():g})"
    if python_platform.machine() in ("x86_64", "AMD64") and flags and "avx2" not in flags:
        return CheckResult(
            level="warn", message=f"{count}, no AVX2", fix="use a machine with AVX2: several times as fast"
        )
    vectors = [name for name in ("avx2", "avx512f", "amx_tile", "asimd", "sve") if name in flags]
    if machine.cores() < 2:  # noqa: PLR2004  one for the gateway, one for inference
        return CheckResult(level="warn", message=count, fix="give it two cores: gateway and inference share one")
    return CheckResult(level="ok", message=", ".join([count, *vectors]))


def memory() -> CheckResult:
    """What is free, cgroup limits included."""
    machine = Machine()
    free, limit = machine.available_memory(), machine.memory_limit()
    if free is None:
        return CheckResult(level="warn", message="the system does not say what is free", fix="mount /proc")
    text = f"{free / 2**30:.1f} GiB free" + (
        "" if limit is None else f", the cgroup's limit is {limit / 2**30:.1f} GiB"
    )
    if free < MEMORY_MIN:
        return CheckResult(level="warn", message=text, fix="end other programs, or raise the container's memory limit")
    return CheckResult(level="ok", message=text)


def open_files() -> CheckResult:
    """The hard limit: a server raises its own limit up to that."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES_MIN:
        return CheckResult(
            level="warn",
            message=f"at most {hard}; every client takes one",
            fix=f"ulimit -Hn {FILES_MIN}, LimitNOFILE= of the service, or --ulimit nofile= of the container",
        )
    return CheckResult(level="ok", message="unlimited" if hard == resource.RLIM_INFINITY else f"at most {hard}")


def disk() -> CheckResult:
    """Free space where the server is started."""
    free = shutil.disk_usage(Path.cwd()).free
    text = f"{free / 2**30:.1f} GiB free"
    if free < DISK_MIN:
        return CheckResult(level="warn", message=text, fix="free some space: logs and model files need it")
    return CheckResult(level="ok", message=text)


def shared_memory() -> CheckResult:
    """``/dev/shm``."""
    if not _SHARED.is_dir() or not os.access(_SHARED, os.W_OK):
        return CheckResult(level="warn", message="no /dev/shm to write to", fix="mount a tmpfs at /dev/shm")
    size = shutil.disk_usage(_SHARED).total
    text = f"{size / 2**20:.0f} MiB"
    if size < SHARED_MIN:
        return CheckResult(level="warn", message=text, fix="--shm-size=1g of the container")
    return CheckResult(level="ok", message=text)


def _required() -> list[str]:
    """Distributions that Jackfield needs without any extra."""
    lines = importlib.metadata.requires("jackfield") or []
    return [found.group() for line in lines if "extra ==" not in line and (found := _REQUIREMENT.match(line))]


def _installed(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _flags(file: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """Instruction sets, as the first processor's line says; empty where nothing says so."""
    try:
        lines = file.read_text(errors="replace").splitlines()
    except OSError:
        return frozenset()
    found = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return frozenset(found.partition(":")[2].split())
