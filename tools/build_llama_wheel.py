"""Build llama-cpp-python once per machine and keep the wheel.

llama.cpp is compiled for the processor it is built on (``GGML_NATIVE``), so a wheel is only good for machines with
the same instruction sets: the cache key covers them, the compiler and the locked version. Wheels are kept in
``$XDG_CACHE_HOME/jackfield/wheels/KEY/``; a copy goes to ``build/wheels/`` for ``--find-links``.

Standard library only: this runs before anything is installed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
LOCK: Final = ROOT / "requirements" / "llama.lock"
WHEELS: Final = ROOT / "build" / "wheels"

CMAKE_ARGS: Final = "-DGGML_NATIVE=ON"
WITHOUT_TILES: Final = "-mno-amx-int8"
"""llama.cpp crashes with AMX: GCC leaves out parts of its tiles' configuration (llama.cpp's pull request 26954)."""
PROGRESS_INTERVAL_S: Final = 20.0
"""The build is silent for minutes; a line this often shows that it lives."""
KEY_LENGTH: Final = 16
"""Hexadecimal digits of the cache key: 64 bits, one machine has a handful of keys."""


def main() -> int:
    """Build, or find in the cache, the wheel; print where it lies."""
    parser = argparse.ArgumentParser(description="Build the llama-cpp-python wheel, or take it from the cache.")
    parser.add_argument("--key", action="store_true", help="print the cache key and end")
    arguments = parser.parse_args()
    key = cache_key()
    if arguments.key:
        print(key)
        return 0
    folder = cache_folder() / key
    wheel = cached_wheel(folder)
    if wheel is None:
        missing = [tool for tool in ("cmake", "c++") if shutil.which(tool) is None]
        if missing:
            print(f"building llama.cpp needs {' and '.join(missing)} on PATH", file=sys.stderr)
            return 1
        wheel = build(folder)
    publish(wheel)
    return 0


def cache_key() -> str:
    """Names everything that decides whether a built wheel runs here."""
    parts = (
        LOCK.read_text(encoding="utf-8"),
        CMAKE_ARGS,
        WITHOUT_TILES,
        platform.machine(),
        cpu_features(),
        compiler_version(),
        sysconfig.get_platform(),
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:KEY_LENGTH]


def cpu_features() -> str:
    """Instruction sets of this processor, sorted; its name where the system does not list them."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() in {"flags", "Features"}:
            return " ".join(sorted(value.split()))
    return platform.processor()


def compiler_version() -> str:
    """First line of ``c++ --version``; empty without a compiler."""
    if shutil.which("c++") is None:
        return ""
    output = subprocess.run(["c++", "--version"], capture_output=True, text=True, check=False).stdout
    return output.partition("\n")[0]


def native_tiles() -> bool:
    """Whether the compiler uses AMX where it compiles for this processor; one that does knows how not to."""
    command = ["c++", "-march=native", "-dM", "-E", "-x", "c++", os.devnull]
    macros = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return "__AMX_INT8__" in macros


def cache_folder() -> Path:
    """Where wheels outlive the working tree."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "jackfield" / "wheels"


def cached_wheel(folder: Path) -> Path | None:
    """The wheel in *folder*, if there is one."""
    return next(iter(sorted(folder.glob("llama_cpp_python-*.whl"))), None)


def build(folder: Path) -> Path:
    """Compile the locked source distribution into *folder*."""
    jobs = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    print(f"building llama.cpp for this processor with {jobs} jobs: once, about {12 / jobs:.0f} minutes", flush=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="building-") as scratch:
        output = Path(scratch) / "out"
        log = Path(scratch) / "build.log"
        status = run_pip(output, log, jobs)
        wheel = cached_wheel(output)
        if status or wheel is None:
            print("\n".join(log.read_text(errors="replace").splitlines()[-40:]), file=sys.stderr)
            print("the llama.cpp build failed; its last lines are above", file=sys.stderr)
            raise SystemExit(1)
        folder.mkdir(exist_ok=True)
        # moved last and whole, so that a build that was interrupted leaves no half wheel behind
        return Path(shutil.move(wheel, folder / wheel.name))


def build_environment(jobs: int) -> dict[str, str]:
    """What the build's processes get: this environment, and how to compile."""
    environment = dict(os.environ, CMAKE_ARGS=CMAKE_ARGS, CMAKE_BUILD_PARALLEL_LEVEL=str(jobs))
    if native_tiles():
        for name in ("CFLAGS", "CXXFLAGS"):
            environment[name] = f"{environment.get(name, '')} {WITHOUT_TILES}".strip()
    return environment


def run_pip(output: Path, log: Path, jobs: int) -> int:
    """Run the build in this interpreter's environment, which has the locked build tools; return pip's exit status."""
    environment = build_environment(jobs)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-cache-dir", "--no-build-isolation"]
    command += ["--no-binary", "llama-cpp-python", "--require-hashes", "-r", str(LOCK), "-w", str(output)]
    done = threading.Event()
    reporter = threading.Thread(target=report_progress, args=(done,), daemon=True)
    reporter.start()
    try:
        with log.open("wb") as sink:
            return subprocess.run(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, check=False
            ).returncode
    finally:
        done.set()


def report_progress(done: threading.Event) -> None:
    """Print a line now and then until *done*."""
    started = time.monotonic()
    while not done.wait(PROGRESS_INTERVAL_S):
        print(f"  still compiling, {time.monotonic() - started:.0f} s", flush=True)


def publish(wheel: Path) -> None:
    """Make *wheel* the only one in ``build/wheels``."""
    WHEELS.mkdir(parents=True, exist_ok=True)
    for old in WHEELS.glob("llama_cpp_python-*.whl"):
        old.unlink()
    target = WHEELS / wheel.name
    shutil.copyfile(wheel, target)
    print(f"llama.cpp: {target.relative_to(ROOT)} (from {wheel.parent})")


if __name__ == "__main__":
    sys.exit(main())
