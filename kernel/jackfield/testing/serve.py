"""``jackfield serve`` as a real process tree, for scenarios about processes: kills, signals, refused starts."""

from __future__ import annotations

import signal
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import aiohttp
import msgspec

from jackfield.testing.command import COMMAND, environment
from jackfield.testing.processes import alive, descendants, kill
from jackfield.testing.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jackfield.testing.background import BackgroundLoop

ChildKind: TypeAlias = Literal["gateway", "worker"]

START_DEADLINE_S: Final = 30.0
"""Until everything is ready: a second on an idle machine, many on a busy one."""

STOP_DEADLINE_S: Final = 20.0
"""Until a server that was told to stop has ended."""

POLL_S: Final = 0.02
"""Between two looks at a condition."""


_SERVE: Final = ("serve", "--json", "--listen", "127.0.0.1:0", "--health", "127.0.0.1:0")


class _Listening(msgspec.Struct, tag_field="event", tag="listening"):
    """What ``serve --json`` announces first."""

    api: list[str]
    health: list[str]
    models: list[str]


class ServeProcess:
    """A server that runs, and what a test may do to it.

    Parameters:
        manifest: Text of its ``plugins.toml``; its addresses are not used, it listens on free ports.
        folder: Working folder; holds the manifest, the log and the announcements.
        loop: Runs the client.

    It has bound its ports when the constructor returns; ``wait_live`` and ``wait_ready`` wait for more.

    Raises:
        AssertionError: The server ended before; with its log.
    """

    def __init__(self, manifest: str, folder: Path, loop: BackgroundLoop) -> None:
        self.folder: Final = folder
        self._log: Final = folder / "serve.log"
        self._announced: Final = folder / "serve.jsonl"
        (folder / "plugins.toml").write_text(manifest)
        with self._log.open("wb") as log, self._announced.open("wb") as announced:
            self._process = subprocess.Popen(
                [*COMMAND, *_SERVE],
                cwd=folder,
                env=environment(folder),
                stdin=subprocess.DEVNULL,
                stdout=announced,
                stderr=log,
                start_new_session=True,
            )
        self._seen: set[int] = set()
        try:
            self.target: Final = self._listening(loop)
        except BaseException:
            self.kill_supervisor()
            raise

    @property
    def pid(self) -> int:
        """Process id of the supervisor."""
        return self._process.pid

    @property
    def log(self) -> str:
        """What it has written so far."""
        return self._log.read_text(errors="replace")

    @property
    def announced(self) -> str:
        """What it has told on standard output so far, as JSON lines."""
        return self._announced.read_text()

    def children(self, kind: ChildKind) -> list[int]:
        """Process ids of the children of one kind that live."""
        everybody = descendants(self.pid)
        self._seen |= everybody.keys()
        return sorted(pid for pid, line in everybody.items() if f"jackfield.{kind}" in line)

    def command_lines(self, kind: ChildKind) -> list[list[str]]:
        """Words of the command lines of the children of one kind, as everybody on the machine can read them."""
        return [line.rstrip("\0").split("\0") for line in descendants(self.pid).values() if f"jackfield.{kind}" in line]

    def survivors(self) -> set[int]:
        """Process ids, of all ever seen here, that still live."""
        own = {self.pid} if self._process.poll() is None else set()
        return own | {pid for pid in self._seen if alive(pid)}

    def wait_ready(self) -> None:
        """Wait until ``/readyz`` says 200."""
        self.wait("ready", lambda: self.status("/readyz") == 200)
        self._seen |= descendants(self.pid).keys()

    def wait_live(self) -> None:
        """Wait until ``/livez`` says 200."""
        self.wait("live", lambda: self.status("/livez") == 200)

    def status(self, path: str) -> int | None:
        """Status of *path* on the health port; None while nobody answers."""
        with suppress(aiohttp.ClientError):
            return self.target.run(self.target.probe.request("GET", path)).status
        return None

    def wait(self, what: str, reached: Callable[[], bool], *, deadline_s: float = START_DEADLINE_S) -> None:
        """Wait until *reached*.

        Raises:
            AssertionError: The deadline passed, or the server ended; with its log.
        """
        start = time.monotonic()
        while not reached():
            if self._process.poll() is not None and not reached():
                raise AssertionError(f"the server ended with {self._process.returncode} before {what}:\n{self.log}")
            if time.monotonic() - start > deadline_s:
                raise AssertionError(f"not {what} after {deadline_s:g} s:\n{self.log}")
            time.sleep(POLL_S)

    def signal(self, number: signal.Signals) -> None:
        """Send *number* to the supervisor alone."""
        self._process.send_signal(number)

    def stop(self) -> None:
        """SIGTERM, and the wait until it took effect: the same signal sent twice in a row could arrive as one."""
        self.signal(signal.SIGTERM)
        self.wait("stopping", lambda: b'"event":"stopping"' in self._announced.read_bytes())

    def kill(self, kind: ChildKind) -> int:
        """``kill -9`` the gateway, or the oldest worker; return the process id it had."""
        pid, *_ = self.children(kind)
        kill(pid)
        return pid

    def kill_supervisor(self) -> None:
        """``kill -9`` the supervisor."""
        self._process.kill()
        self._process.wait(STOP_DEADLINE_S)

    def wait_exit(self, *, deadline_s: float = STOP_DEADLINE_S) -> int:
        """Wait for the supervisor's end; return its exit code (a signal's number, negative)."""
        try:
            return self._process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {deadline_s:g} s:\n{self.log}") from None

    def _listening(self, loop: BackgroundLoop) -> Target:
        self.wait("listening", lambda: b"\n" in self._announced.read_bytes())
        first, *_ = self._announced.read_bytes().splitlines()
        said = msgspec.json.decode(first, type=_Listening)
        return Target.at(said.api[0], loop, model=said.models[0], health=said.health[0])

    def close(self) -> None:
        """Kill what is left; for the end of a test, whatever happened."""
        self._seen |= descendants(self.pid).keys()
        self.kill_supervisor()
        for pid in self._seen:
            kill(pid)
        deadline = time.monotonic() + STOP_DEADLINE_S
        while self.survivors() and time.monotonic() < deadline:
            time.sleep(POLL_S)
        self.target.close()
