"""``jackfield serve`` with its real gateway and worker and the demo model."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from jackfield.testing.command import COMMAND, environment
from jackfield.testing.processes import alive, descendants, kill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

pytest.importorskip("llama_cpp")

DEADLINE_S = 60.0


class Server:
    """A server on free ports, read through its JSON lines."""

    def __init__(self, folder: Path, *, launcher: Sequence[str] = ()) -> None:
        self.process = subprocess.Popen(
            [*launcher, *COMMAND, "serve", "--json", "--listen", "127.0.0.1:0", "--health", "127.0.0.1:0"],
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._events: queue.Queue[dict[str, object]] = queue.Queue()
        assert self.process.stdout is not None
        threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True).start()
        listening = self.event("listening")
        self.api = str(listening["api"][0])  # type: ignore[index]  # two lists of texts
        self.health = str(listening["health"][0])  # type: ignore[index]  # two lists of texts
        self.seen: set[int] = set()

    def _read(self, stream: IO[bytes]) -> None:
        for line in stream:
            self._events.put(json.loads(line))

    def event(self, name: str, **fields: object) -> dict[str, object]:
        """The next event of that name with those fields."""
        while True:
            event = self._events.get(timeout=DEADLINE_S)
            if event["event"] == name and all(event.get(key) == value for key, value in fields.items()):
                return event

    def status(self, url: str) -> int:
        """HTTP status; 0 where nobody answers."""
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  our own server
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return 0

    def pid(self, kind: str) -> int:
        """Of the only child of that kind."""
        children = descendants(self.process.pid)
        self.seen |= children.keys()
        (pid,) = [pid for pid, line in children.items() if f"jackfield.{kind}" in line]
        return pid

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for *condition*."""
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline, "timed out"
            time.sleep(0.02)

    def until_ready(self) -> None:
        """Wait for ``/readyz``."""
        self.until(lambda: self.status(f"{self.health}/readyz") == 200)

    def answers(self) -> bool:
        """Whether a chat completion comes back with text in it."""
        body = {"model": "default", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}
        request = urllib.request.Request(  # noqa: S310  our own server
            f"{self.api}/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:  # noqa: S310  our own server
            return bool(json.load(answer)["choices"][0]["message"]["content"])


def _survives(pid: int) -> set[int]:
    """Signals that a process ignores or handles: a service manager sends SIGTERM to all processes of a service."""
    status = (Path("/proc") / str(pid) / "status").read_text()
    masks = [int(line.split()[1], 16) for line in status.splitlines() if line.startswith(("SigIgn:", "SigCgt:"))]
    return {number for number in range(1, 32) if any(mask >> (number - 1) & 1 for mask in masks)}


@pytest.fixture
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server that is ready; a parameter is the command that launches it."""
    server = Server(tmp_path, launcher=getattr(request, "param", ()))
    try:
        server.until_ready()
        yield server
    finally:
        server.seen |= descendants(server.process.pid).keys()
        for pid in (server.process.pid, *server.seen):
            kill(pid)
        server.process.wait()
        assert server.process.stdout is not None
        server.process.stdout.close()


def test_faults_are_repaired_and_the_end_is_orderly(server: Server, tmp_path: Path) -> None:
    """A killed worker comes back; a killed gateway comes back without a new worker; SIGTERM ends with 0."""
    assert server.status(f"{server.health}/livez") == 200
    assert server.answers()
    gateway, worker = server.pid("gateway"), server.pid("worker")
    assert _survives(gateway) >= {signal.SIGINT, signal.SIGTERM}
    assert _survives(worker) >= {signal.SIGINT, signal.SIGTERM}
    os.kill(worker, signal.SIGKILL)
    server.event("worker", state="ready", restarts=1)
    server.until_ready()
    assert server.answers()
    assert (server.pid("gateway"), server.pid("worker") != worker) == (gateway, True)
    worker = server.pid("worker")
    os.kill(gateway, signal.SIGKILL)
    server.event("gateway")
    server.until_ready()
    assert server.answers()
    assert (server.pid("gateway") != gateway, server.pid("worker")) == (True, worker)
    server.process.terminate()
    assert server.process.wait(DEADLINE_S) == 0
    assert not [pid for pid in server.seen if alive(pid)]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("server", [("sh", "-c", 'exec "$0" "$@" <&- 2>&-')], indirect=True)
def test_closed_standard_streams(server: Server) -> None:
    """A launcher may close what it does not use; no socket takes the place of a stream."""
    for kind in ("gateway", "worker"):
        descriptors = Path(f"/proc/{server.pid(kind)}/fd")
        assert {str((descriptors / str(number)).readlink()) for number in range(3)} == {os.devnull}
    assert server.answers()
    server.process.terminate()
    assert server.process.wait(DEADLINE_S) == 0


def test_a_killed_supervisor_leaves_nothing(server: Server) -> None:
    """Real children see it and go."""
    pids = [server.pid("gateway"), server.pid("worker")]
    server.process.kill()
    server.until(lambda: not any(map(alive, pids)))


def test_an_address_in_use_is_refused_before_anything_starts(server: Server, tmp_path: Path) -> None:
    """With the address in the message and exit code 2."""
    address = server.api.removeprefix("http://")
    done = subprocess.run(
        [*COMMAND, "serve", "--listen", address, "--health", "127.0.0.1:0"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 2
    assert f"kernel.listen: cannot listen at {address}: already in use" in done.stderr
    assert done.stdout == ""


def test_the_supervisor_imports_neither_plugins_nor_a_server() -> None:
    """Small and boring: what it does not import cannot take it down."""
    probe = "import sys; from jackfield.supervisor import supervisor; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-c", probe], capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())
    assert not modules & {"aiohttp", "asyncio", "uvloop", "numpy", "llama_cpp", "jinja2", "rich", "structlog"}
    assert not [name for name in modules if name.startswith("jackfield_")]
