"""llama-server, built from the same sources as the installed llama.cpp: ``python benchmarks/llama_server.py``.

The source distribution of llama-cpp-python that the lock names carries llama.cpp whole. It is downloaded and compiled
as ``tools/build_llama_wheel.py`` compiles the wheel, once per machine, into
``$XDG_CACHE_HOME/jackfield/llama-server/KEY`` and so outside the repository. ``LLAMA_SERVER`` may name another binary.

It must be compiled for the same instruction sets as the installed library, or nothing is measured.
"""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Self

import llama_cpp.llama_cpp as llama
from serving import ROOT, progress

if TYPE_CHECKING:
    from types import TracebackType

VARIABLE: Final = "LLAMA_SERVER"
LOCK: Final = ROOT / "requirements" / "llama.lock"
WHEEL_TOOL: Final = ROOT / "tools" / "build_llama_wheel.py"

CMAKE_ARGS: Final = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DGGML_NATIVE=ON",  # as the wheel; all else of ggml is left as it comes, as there
    "-DBUILD_SHARED_LIBS=OFF",
    "-DLLAMA_CURL=OFF",
    "-DLLAMA_OPENSSL=OFF",
    "-DLLAMA_BUILD_UI=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
)
SYSTEM_INFO: Final = "system_info:"
START_DEADLINE_S: Final = 60.0
STOP_DEADLINE_S: Final = 10.0


class Settings(NamedTuple):
    """What both servers are started with."""

    model: Path
    threads: int
    slots: int
    """Requests that run at once."""
    context: int
    """Tokens of each."""
    unified: bool = True
    """Whether llama-server's slots share one pool of KV cells (``--kv-unified``), as Jackfield's requests do."""


class LlamaServer:
    """A llama-server that is ready; killed at the end."""

    name: Final = "llama-server"

    def __init__(self, settings: Settings) -> None:
        # it is in a session of its own: nobody else ends it when this process is told to end
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        self.port = free_port()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        # a session of its own, as Jackfield has: Linux shares processor time among sessions first
        self._process = subprocess.Popen(
            [str(binary()), *flags(settings), "--port", str(self.port)],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        try:
            self._wait_ready()
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def log(self) -> str:
        """What it has written so far."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + START_DEADLINE_S
        while not self._healthy():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"llama-server did not start:\n{self.log}")
            time.sleep(0.02)

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, ConnectionError):
            return False

    def close(self) -> None:
        """Kill it and wait until it is gone."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(STOP_DEADLINE_S)
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def flags(settings: Settings) -> list[str]:
    """The command line for *settings*.

    All else is as llama-server comes: prompt cache, continuous batching, micro-batches of 512 tokens as Jackfield's,
    and batches of 2048.
    """
    values = {
        "--model": settings.model,
        "--threads": settings.threads,
        "--threads-batch": settings.threads,
        "--parallel": settings.slots,
        "--ctx-size": settings.slots * settings.context,
        "--flash-attn": "on",
        "--host": "127.0.0.1",
    }
    words = [word for flag, value in values.items() for word in (flag, str(value))]
    return [*words, "--kv-unified" if settings.unified else "--no-kv-unified", "--no-ui"]


def require_same_build(server: Path) -> None:
    """Refuse a *server* that computes with other instruction sets than the library that Jackfield uses.

    Raises:
        SystemExit: It was compiled for something else.
    """
    # without a model it says what it is and ends
    about = [str(server), "--model", os.devnull, "--verbosity", "4", "--no-ui", "--port", str(free_port())]
    done = subprocess.run(about, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    line = next(line for line in (done.stdout + done.stderr).splitlines() if SYSTEM_INFO in line)
    theirs, ours = line[line.index("CPU :") :].strip(), llama.llama_print_system_info().decode().strip()
    if theirs != ours:
        raise SystemExit(f"{server} was built differently:\n{theirs}\n{ours}")


def free_port() -> int:
    """A port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@functools.cache
def binary() -> Path:
    """The llama-server to run: the one ``LLAMA_SERVER`` names, or the one built here before, or a new one."""
    named = os.environ.get(VARIABLE)
    server = Path(named) if named else built()
    require_same_build(server)
    return server


def built() -> Path:
    """The one of this machine's cache, built if it is not there."""
    folder = cache_folder()
    server = folder / "llama-server"
    if not server.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="building-") as scratch:
            finished = build(unpack(download(Path(scratch)), Path(scratch)), Path(scratch) / "build")
            folder.mkdir(exist_ok=True)
            shutil.move(finished, server)
    return server


def cache_folder() -> Path:
    """Where the binary lies: the key is the wheel's, so it covers processor, compiler and locked version."""
    key = subprocess.run([sys.executable, str(WHEEL_TOOL), "--key"], capture_output=True, text=True, check=True).stdout
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "jackfield" / "llama-server" / key.strip()


def download(folder: Path) -> Path:
    """Fetch the locked source distribution into *folder*."""
    progress("downloading the sources of llama-server")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-build-isolation"]
    command += ["--no-binary", "llama-cpp-python", "--require-hashes", "-r", str(LOCK), "-d", str(folder)]
    subprocess.run(command, check=True)
    return next(folder.glob("llama_cpp_python-*.tar.gz"))


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack *archive*; returns the folder of llama.cpp in it."""
    with tarfile.open(archive) as sources:
        sources.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz") / "vendor" / "llama.cpp"


def build(sources: Path, folder: Path) -> Path:
    """Compile llama-server of *sources* in *folder*; returns the binary."""
    jobs = len(os.sched_getaffinity(0))
    progress(f"building llama-server with {jobs} jobs: once, about {16 / jobs:.0f} minutes")
    for command in (
        ["cmake", "-S", str(sources), "-B", str(folder), *CMAKE_ARGS],
        ["cmake", "--build", str(folder), "--target", "llama-server", "--parallel", str(jobs)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-4000:]}")
    return folder / "bin" / "llama-server"


if __name__ == "__main__":
    silent = llama.llama_log_callback(lambda _level, _text, _data: None)
    llama.llama_log_set(silent, ctypes.c_void_p(0))
    print(binary())
