"""``jackfield serve`` as a real process tree, for scenarios about processes: kills, signals, refused starts."""

from __future__ import annotations

import re
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import aiohttp

from jackfield.testing.command import COMMAND, environment
from jackfield.testing.processes import alive, descendants, free_ports, kill
from jackfield.testing.target import Target

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from jackfield.testing.background import BackgroundLoop

ChildKind: TypeAlias = Literal["gateway", "worker"]

START_DEADLINE_S: Final = 30.0
"""Until everything is ready: a second on an idle machine, many on a busy one."""

STOP_DEADLINE_S: Final = 20.0
"""Until a server that was told to stop has ended."""

POLL_S: Final = 0.02
"""Between two looks at a condition."""


class ServeProcess:
    """A server that runs, and what a test may do to it.

    Parameters:
        manifest: Text of its ``plugins.toml``; ``listen`` and ``health`` are overridden with free ports.
        folder: Working folder; holds the manifest and the log.
        loop: Runs the client.
        arguments: Further arguments of ``serve``.

    The process starts at once; ``wait_ready`` waits for its models.
    """

    def __init__(self, manifest: str, folder: Path, loop: BackgroundLoop, arguments: Sequence[str] = ()) -> None:
        self.folder: Final = folder
        self._log: Final = folder / "serve.log"
        file = folder / "plugins.toml"
        file.write_text(manifest)
        public, health = free_ports(2)
        model = next(iter(re.findall(r"^\[models\.([\w-]+)\]", manifest, re.MULTILINE)), "demo")
        self.target: Final = Target.at(
            f"http://127.0.0.1:{public}", loop, model=model, health=f"http://127.0.0.1:{health}"
        )
        overrides = ("--set", f"kernel.listen=127.0.0.1:{public}", "--set", f"kernel.health=127.0.0.1:{health}")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*COMMAND, "serve", *overrides, *arguments],
                cwd=folder,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._seen: set[int] = set()

    @property
    def pid(self) -> int:
        """Process id of the supervisor."""
        return self._process.pid

    @property
    def log(self) -> str:
        """What it has written so far."""
        return self._log.read_text(errors="replace")

    def children(self, kind: ChildKind) -> list[int]:
        """Process ids of the children of one kind that live."""
        everybody = descendants(self.pid)
        self._seen |= everybody.keys()
        return sorted(pid for pid, line in everybody.items() if f"jackfield.{kind}" in line)

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

    def wait(self, what: str, reached: Callable[[], bool], *, deadline_s: float = START_DEADLINE_S) -> float:
        """Wait until *reached*; return the seconds it took.

        Raises:
            AssertionError: The deadline passed, or the server ended; with its log.
        """
        start = time.monotonic()
        while not reached():
            if self._process.poll() is not None:
                raise AssertionError(f"the server ended with {self._process.returncode} before {what}:\n{self.log}")
            if time.monotonic() - start > deadline_s:
                raise AssertionError(f"not {what} after {deadline_s:g} s:\n{self.log}")
            time.sleep(POLL_S)
        return time.monotonic() - start

    def signal(self, number: signal.Signals) -> None:
        """Send *number* to the supervisor alone."""
        self._process.send_signal(number)

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

    def close(self) -> None:
        """Kill what is left; for the end of a test, whatever happened."""
        self._seen |= descendants(self.pid).keys()
        self.kill_supervisor()
        for pid in self._seen:
            kill(pid)
        self.target.close()
