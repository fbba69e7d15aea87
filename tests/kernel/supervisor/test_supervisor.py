"""The supervisor with real processes: start, restart, shutdown, and no orphan whatever happens."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import queue
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

import pytest

from jackfield.testing.command import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Run: TypeAlias = "Callable[..., Running]"

DEADLINE_S = 30.0
RUNNER = Path(__file__).with_name("run_stand_ins.py")


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended does not, although its number may still be there."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Running:
    """A supervisor process, its events and what its children noted."""

    def __init__(self, gateway: str, worker: str, log: Path, terminal: int | None = None) -> None:
        self._log = log
        self.level = log.with_suffix(".level")
        log.touch()
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(RUNNER), gateway, worker, str(log)],
            env=environment(log.parent),
            stdout=subprocess.PIPE,
            start_new_session=terminal is not None,
            preexec_fn=None if terminal is None else partial(fcntl.ioctl, terminal, termios.TIOCSCTTY, 0),  # noqa: PLW1509 -- no lock is held by any thread of this test
        )
        self._events: queue.Queue[dict[str, object] | None] = queue.Queue()
        assert self.process.stdout is not None
        threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True).start()

    def _read(self, stream: IO[bytes]) -> None:
        for line in stream:
            self._events.put(json.loads(line))
        self._events.put(None)

    def event(self, name: str, **fields: object) -> dict[str, object]:
        """The next event of that name with those fields; earlier others are skipped."""
        deadline = time.monotonic() + DEADLINE_S
        while (event := self._events.get(timeout=max(0.0, deadline - time.monotonic()))) is not None:
            if event["event"] == name and all(event.get(key) == value for key, value in fields.items()):
                return event
        pytest.fail(f"the supervisor ended without the event {name} {fields}")

    def next_event(self) -> dict[str, object]:
        """The next event, whatever it is."""
        event = self._events.get(timeout=DEADLINE_S)
        assert event is not None
        return event

    def notes(self, kind: str) -> list[dict[str, object]]:
        """What the children of that kind noted so far."""
        lines = [json.loads(line) for line in self._log.read_text().splitlines()]
        return [line for line in lines if line["kind"] == kind]

    def pid(self, kind: str) -> int:
        """Of the latest child of that kind."""
        return int(str(self.notes(kind)[-1]["pid"]))

    def pids(self) -> set[int]:
        """Of all children there ever were."""
        return {int(str(note["pid"])) for kind in ("gateway", "worker") for note in self.notes(kind)}

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for *condition*."""
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline, "timed out"
            time.sleep(0.01)

    def up(self) -> Running:
        """Wait until gateway and worker are ready and connected."""
        self.event("worker", state="ready")
        self.until_attached("gateway", 1)
        self.until_attached("worker", 1)
        return self

    def until_attached(self, kind: str, times: int) -> None:
        """Wait until children of that kind were given so many data connections in all."""
        self.until(lambda: [note["what"] for note in self.notes(kind)].count("Attach") >= times)

    def send(self, number: int) -> None:
        """Send a signal to the supervisor only."""
        os.kill(self.process.pid, number)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Signal the supervisor and return its exit code; nothing may be left of its children."""
        self.send(number)
        return self.exit_code()

    def exit_code(self) -> int:
        """Wait for the end; nothing may be left of its children."""
        code = self.process.wait(DEADLINE_S)
        assert not [pid for pid in self.pids() if alive(pid)]
        return code


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[[str, str], Running]]:
    """Starts supervisors with children in the given modes."""
    started: list[Running] = []

    def start(gateway: str = "ok", worker: str = "ok", terminal: int | None = None) -> Running:
        started.append(Running(gateway, worker, tmp_path / f"{len(started)}.jsonl", terminal))
        return started[-1]

    yield start
    for running in started:
        running.process.kill()
        running.process.wait()
        if running.process.stdout is not None:
            running.process.stdout.close()
        for pid in running.pids():
            if alive(pid):
                os.kill(pid, signal.SIGKILL)


def _connect(event: dict[str, object]) -> None:
    urls = event["api"]
    assert isinstance(urls, list)
    url = urlsplit(urls[0])
    socket.create_connection((url.hostname or "", url.port or 0), timeout=5).close()


def _whats(running: Running, kind: str) -> list[object]:
    return [note["what"] for note in running.notes(kind)]


def test_start_and_orderly_end(run: Run) -> None:
    """Sockets first, then loading with progress, then ready; at the end the gateway drains before workers stop."""
    running = run()
    listening = running.event("listening")
    running.until(lambda: "listens" in _whats(running, "gateway"))
    _connect(listening)
    running.event("worker", state="loading", reason="loading 43 %")
    running.up()
    running.until(lambda: "ready" in [note.get("state") for note in running.notes("gateway")])
    assert [note["state"] for note in running.notes("gateway") if note["what"] == "WorkerStatus"][-2:] == [
        "loading",
        "ready",
    ]
    assert "Attach" in _whats(running, "gateway")
    assert running.notes("worker")[0]["backtrace"] == "1"
    assert running.end() == 0
    running.event("stopping", timeout_s=20)
    running.event("worker", state="stopped")
    assert _whats(running, "gateway")[-2:] == ["Drain", "ends"]
    assert _whats(running, "worker")[-2:] == ["Stop", "ends"]


def test_control_c_reaches_the_supervisor_only(run: Run) -> None:
    """Children have sessions of their own, so the terminal's signal is the supervisor's to decide about."""
    running = run().up()
    sessions = {os.getsid(running.pid(kind)) for kind in ("gateway", "worker")}
    assert sessions == {running.pid("gateway"), running.pid("worker")}
    assert running.end(signal.SIGINT) == 0


def test_a_killed_worker_comes_back_and_is_connected_again(run: Run) -> None:
    """The gateway is told why it is away, and gets a new connection."""
    running = run().up()
    worker, gateway = running.pid("worker"), running.pid("gateway")
    os.kill(worker, signal.SIGKILL)
    assert str(running.event("worker", state="backoff")["reason"]).startswith("ended by SIGKILL; restarting in ")
    running.event("worker", state="ready", restarts=1)
    running.until_attached("gateway", 2)
    assert running.pid("worker") != worker
    assert running.pid("gateway") == gateway
    assert running.end() == 0


def test_a_killed_gateway_comes_back_and_the_worker_stays(run: Run) -> None:
    """Connections wait meanwhile: the listening sockets are the supervisor's. No descriptor is lost on the way."""
    running = run()
    listening = running.event("listening")
    running.up()
    worker = running.pid("worker")
    descriptors = Path(f"/proc/{running.process.pid}/fd")
    before = len(list(descriptors.iterdir()))
    for times in (1, 2):
        running.until_attached("gateway", times)
        os.kill(running.pid("gateway"), signal.SIGKILL)
        _connect(listening)
        running.until_attached("worker", times + 1)
    assert running.pid("worker") == worker
    running.until(lambda: len(list(descriptors.iterdir())) == before)
    assert running.end() == 0


def test_a_killed_supervisor_leaves_no_orphan(run: Run) -> None:
    """Children see the end of their conversation and go."""
    running = run().up()
    running.send(signal.SIGKILL)
    running.until(lambda: _whats(running, "gateway")[-1] == _whats(running, "worker")[-1] == "orphaned")
    assert running.exit_code() == -signal.SIGKILL


def test_a_worker_that_refuses_does_not_stop_the_rest(run: Run) -> None:
    """No restart; the gateway knows the reason and serves on."""
    running = run("ok", "refuse")
    running.event("worker", state="failed", reason="m.gguf is truncated")
    running.event("worker", state="failed", reason="m.gguf is truncated")
    running.until(lambda: "failed" in [note.get("state") for note in running.notes("gateway")])
    assert _whats(running, "worker").count("started") == 1
    assert running.end() == 0


def test_a_gateway_that_refuses_ends_the_start(run: Run) -> None:
    """The configuration is wrong: say so and end with 2. Nobody could ever connect, and no address was announced."""
    running = run("refuse", "ok")
    assert running.next_event() == {"event": "trouble", "text": "the gateway refuses to start: m.gguf is truncated"}
    assert running.exit_code() == 2
    assert [note["reachable"] for note in running.notes("gateway") if note["what"] == "looks"] == [False]


def test_what_workers_do_is_told_after_the_addresses(run: Run) -> None:
    """A model that is loaded before the gateway serves is not lost."""
    running = run()
    assert [running.next_event()["event"] for _ in range(2)] == ["listening", "gateway"]
    running.event("worker", state="loading", reason="loading 43 %")
    running.event("worker", state="ready")
    assert running.end() == 0


def test_a_gateway_that_never_comes_up_ends_the_start(run: Run) -> None:
    """Three deaths before it ever served; not an endless loop."""
    running = run("crash", "ok")
    assert str(running.event("trouble")["text"]).startswith("the gateway ended with exit code 1; restarting in 0.1 s")
    assert running.exit_code() == 1
    assert _whats(running, "gateway").count("started") == 3


@pytest.mark.parametrize(
    ("mode", "reason"), [("busy", "an engine step took longer than 5 s"), ("garbage", "ended by SIGKILL")]
)
def test_a_worker_that_hangs_or_talks_nonsense_is_restarted(run: Run, mode: str, reason: str) -> None:
    """One engine step without an end, or bytes that are no message."""
    running = run("ok", mode)
    assert str(running.event("worker", state="backoff")["reason"]).startswith(reason)
    running.event("worker", restarts=1)
    assert running.end() == 0


def test_a_second_signal_ends_everything_at_once(run: Run) -> None:
    """Also children that do not listen."""
    running = run("deaf", "deaf").up()
    running.send(signal.SIGTERM)
    running.event("stopping")
    assert running.end(signal.SIGTERM) == 1


@pytest.mark.parametrize("level", ["debug", "error"])
def test_sighup_takes_the_log_level(run: Run, level: str) -> None:
    """Both children are told; a child that is started later has it from its boot on. Nobody is restarted."""
    running = run().up()
    running.level.write_text(level)
    running.send(signal.SIGHUP)
    running.event("log_level", level=level)
    for kind in ("gateway", "worker"):
        running.until(lambda kind=kind: "SetLogLevel" in _whats(running, kind))  # type: ignore[misc]  # a default binds
        assert _whats(running, kind).count("started") == 1
    os.kill(running.pid("worker"), signal.SIGKILL)
    running.until_attached("worker", 2)
    assert [note["level"] for note in running.notes("worker") if note["what"] == "BootWorker"] == ["info", level]
    assert running.end() == 0


def test_sighup_with_a_wrong_manifest(run: Run) -> None:
    """The old level stays, and somebody is told why."""
    running = run().up()
    running.level.write_text("loud")
    running.send(signal.SIGHUP)
    assert "the log level stays info" in str(running.event("trouble")["text"])
    running.level.write_text("debug")
    running.send(signal.SIGHUP)
    running.event("log_level", level="debug")
    assert running.end() == 0


def test_sighup_offers_options_to_workers(run: Run) -> None:
    """What a worker took over is what the next one starts with; what it refused, and other plugins' options, is not."""
    running = run().up()
    running.level.write_text("info")
    for value in ("good", "odd"):
        running.level.with_suffix(".option").write_text(value)
        running.send(signal.SIGHUP)
        if value == "good":
            running.event("reconfigured", model="m", plugin="s")
        else:
            assert "m: the options of s stay as they were: config.s.x" in str(running.event("trouble")["text"])
    os.kill(running.pid("worker"), signal.SIGKILL)
    running.until_attached("worker", 2)
    boots = [note["options"] for note in running.notes("worker") if note["what"] == "BootWorker"]
    assert boots == [{}, {"s": {"x": "good"}}]
    assert running.end() == 0


def test_a_lost_connection_is_made_again(run: Run) -> None:
    """A gateway that lost its data connection to a ready worker asks for a new one, and both get an end of it."""
    running = run("loses", "ok")
    running.until_attached("gateway", 2)
    running.until_attached("worker", 2)
    assert _whats(running, "worker").count("started") == 1
    assert running.end() == 0


def test_a_terminal_that_goes_away_ends_the_server(run: Run) -> None:
    """Its SIGHUP is a wish to end; while the terminal is there, SIGHUP is a wish to read the manifest."""
    master, terminal = pty.openpty()
    running = run("ok", "ok", terminal).up()
    running.level.write_text("debug")
    running.send(signal.SIGHUP)
    running.event("log_level", level="debug")
    os.close(terminal)
    os.close(master)
    assert running.exit_code() == 0


def test_no_folder_for_the_control_socket_is_no_reason_not_to_serve(run: Run, tmp_path: Path) -> None:
    """It is said with the addresses, and everything else works."""
    (tmp_path / ".runtime").mkdir(mode=0o755)
    running = run()
    assert "0700" in str(running.event("listening")["no_control"])
    assert running.up().end() == 0


def test_the_control_socket_goes_with_the_server(run: Run, tmp_path: Path) -> None:
    """After an orderly end; after a kill the next server of any address clears it away."""
    folder = tmp_path / ".runtime"
    first = run()
    assert first.event("listening")["no_control"] == ""
    assert len(list(folder.iterdir())) == 1
    assert first.up().end() == 0
    assert list(folder.iterdir()) == []
    second = run().up()
    second.send(signal.SIGKILL)
    second.until(lambda: not any(map(alive, second.pids())))
    second.exit_code()
    assert len(list(folder.iterdir())) == 1
    third = run()
    third.event("listening")
    assert len(list(folder.iterdir())) == 1
    assert third.up().end() == 0
