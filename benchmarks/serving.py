"""What the benchmarks share: a real server, child processes that answer line by line, clocks and figures."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from jackfield.testing.background import BackgroundLoop
from jackfield.testing.serve import ServeProcess

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parent
MODELS: Final = ROOT / "build" / "models"
SETTLE_TIMEOUT_S: Final = 10.0
"""Workers report at most four times a second; after this long a counter that has not arrived never will."""


class Child:
    """A script of this folder that answers each JSON line with one."""

    def __init__(self, script: str, *arguments: str) -> None:
        # Linux shares processor time among sessions first (sched_autogroup): a session each, like the server's
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._answer()

    def ask(self, **job: object) -> dict[str, Any]:
        """Send *job* and wait for the answer."""
        if self._process.stdin is None:
            raise AssertionError("opened with a pipe")
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        if self._process.stdout is None:
            raise AssertionError("opened with a pipe")
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self._process.args!r} ended with {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def server(manifest: str) -> Iterator[ServeProcess]:
    """A ready ``jackfield serve`` with *manifest*; killed at the end, also when this process is told to end."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with BackgroundLoop() as loop, tempfile.TemporaryDirectory(prefix="jackfield-bench-") as folder:
        process = ServeProcess(manifest, Path(folder), loop)
        try:
            process.wait_ready()
            yield process
        finally:
            process.close()


def manifest_for(model: Path, *, threads: int, sequences: int, context: int) -> str:
    """A manifest that serves *model* as ``bench``, with all plugins that are on by default."""
    return f"""
[kernel]
queue = {sequences}
log_level = "warning"
[config.llama-cpu]
threads = {threads}
threads_batch = {threads}
[models.bench]
source = {json.dumps(str(model))}
context = {context}
max_sequences = {sequences}
"""


def port_of(process: ServeProcess) -> int:
    """The API's port."""
    return int(process.target.url.rpartition(":")[2])


def metrics(process: ServeProcess) -> dict[str, float]:
    """All samples of ``/metrics`` without labels that tell models apart: this server has one."""
    with urllib.request.urlopen(f"{process.target.health}/metrics") as response:  # noqa: S310 - our own server
        text: str = response.read().decode()
    samples: dict[str, float] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            samples[name.partition("{")[0]] = samples.get(name.partition("{")[0], 0.0) + float(value)
    return samples


def settled_metrics(process: ServeProcess, generated: str, expected: float) -> dict[str, float]:
    """The metrics, once the counter *generated* has reached *expected*."""
    deadline = time.monotonic() + SETTLE_TIMEOUT_S
    while True:
        samples = metrics(process)
        if samples.get(generated, 0.0) >= expected:
            return samples
        if time.monotonic() > deadline:
            raise SystemExit(f"{generated} did not reach {expected}: {samples.get(generated)}")
        time.sleep(0.05)


def cpu_s(pid: int) -> float:
    """CPU time that process *pid* has used, in seconds, to the nanosecond.

    ``clock_getcpuclockid(3)``: the clock of another process is its inverted id, shifted, with the scheduler's clock in
    the low bits (``MAKE_PROCESS_CPUCLOCK`` in Linux' ``posix-timers.h``).
    """
    return time.clock_gettime((~pid << 3) | 2)


def resident_mb(pid: int) -> float:
    """Resident memory of process *pid* in MB (10^6 bytes)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, least and greatest."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def progress(text: str) -> None:
    """One line for whoever waits."""
    print(text, file=sys.stderr, flush=True)


def shown(figures: dict[str, float], digits: int = 3) -> str:
    """``median (min to max)``."""
    return f"{figures['median']:.{digits}f} ({figures['min']:.{digits}f} to {figures['max']:.{digits}f})"
