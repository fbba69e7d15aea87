"""Runs the verifying process, bounds it, and blames whoever took it down.

The process is in a session of its own, so that it can be killed with whatever it started. A kit in which it dies is a
failure of the plugin whose code ran; the kits after it get a new process.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from jackfield.plugin_calls import Called
from jackfield.verification.records import (
    AllDone,
    Case,
    CaseEnded,
    CaseStarted,
    Job,
    KitOffer,
    KitResult,
    Problem,
    Refused,
    Said,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from jackfield.verification.target import Target

STEP_S: Final = 60.0
"""Longest time for one import, hook, factory or test."""

OUTPUT_MAX: Final = 64 * 1024 * 1024
"""Bytes that a plugin may print."""

TAIL_LINES: Final = 5
"""Lines of a dead process's output that are shown."""

TAIL_WIDTH: Final = 200
"""Characters of such a line."""

_LOOK_S: Final = 0.1
"""Between two looks at the process's memory and time."""

_LINE_MAX: Final = 1 << 20
"""Bytes of one message; a plugin that writes to our descriptor is not read for ever."""


class Limits(NamedTuple):
    """What a verification may use."""

    total_s: float
    memory_bytes: int
    network: bool
    step_s: float = STEP_S

    def __str__(self) -> str:
        parts = [
            f"{self.total_s:g} s in all and {self.step_s:g} s for one call or test, then the process group is killed",
            f"{self.memory_bytes >> 20} MiB resident in the process itself, looked at ten times a second",
            "the network is open" if self.network else "Python's sockets reach this machine only",
        ]
        return ";\n".join(parts)


def verify(target: Target, limits: Limits, only: str, progress: Callable[[str], None]) -> Verdict:
    """Run the kits of everything in *target*.

    Parameters:
        target: What is verified.
        limits: What it may use.
        only: Text that the names of tests must contain; empty runs all.
        progress: Is told what begins.
    """
    began = time.monotonic()
    verdict = Verdict(target=target.title, plugins=[entry.name for entry in target.entries], limits=str(limits))
    with tempfile.TemporaryDirectory() as scratch:
        run = _Run(target, limits, only, verdict, progress, Path(scratch))
        while run.unfinished:
            run.once(began + limits.total_s)
    verdict.seconds = round(time.monotonic() - began, 2)
    return verdict


class _Run:
    """One verification; each ``once`` is one process."""

    def __init__(
        self,
        target: Target,
        limits: Limits,
        only: str,
        verdict: Verdict,
        progress: Callable[[str], None],
        scratch: Path,
    ) -> None:
        self.unfinished = True
        self._target = target
        self._limits = limits
        self._only = only
        self._verdict = verdict
        self._progress = progress
        self._scratch = scratch
        self._entries = list(target.entries)
        self._done: list[str] = []
        self._kits: dict[str, KitResult] = {}
        self._secrets: dict[str, set[str]] = {}
        self._call: Called | None = None
        self._case: CaseStarted | None = None

    def once(self, end: float) -> None:
        """Run a process until everything is done, or it is gone."""
        job = Job(
            entries=self._entries,
            settings=self._target.settings,
            folder=str(self._target.folder),
            sys_path=self._sources(),
            done=self._done,
            only=self._only,
            network=self._limits.network,
        )
        self._call = self._case = None
        output = self._scratch / "output"
        with (
            output.open("w+b") as printed,
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary,
            _child(job, printed, temporary) as (process, words),
        ):
            why = self._listen(process, words, output, end)
        self._search(output.read_bytes())
        self.unfinished = bool(why) and time.monotonic() < end
        if why:
            self._blame(why, output)

    def _sources(self) -> list[str]:
        """The module path of a project that is taken from its sources, with the metadata it would have."""
        if not self._target.roots:
            return []
        name, _, version = self._target.title.partition(" ")
        info = self._scratch / f"{name.replace('-', '_')}-{version.strip('()')}.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version.strip('()')}\n")
        (info / "entry_points.txt").write_text(self._target.metadata + "\n")
        return [str(self._scratch), *map(str, self._target.roots)]

    def _listen(self, process: subprocess.Popen[bytes], words: int, output: Path, end: float) -> str:
        """Take in what the process says; return why it had to end, or ended by itself, too early."""
        buffer, heard = b"", time.monotonic()
        while True:
            if select.select([words], [], [], _LOOK_S)[0]:
                data = os.read(words, 65536)
                if not data:
                    return _how_it_ended(process)
                *lines, buffer = (buffer + data).split(b"\n")
                heard = time.monotonic()
                if any(self._take(said) for said in _decoded(lines)):
                    return ""
            excess = self._excess(process, time.monotonic() - heard, output)
            if time.monotonic() > end:
                excess = f"was not done after {self._limits.total_s:g} s (--timeout)"
            if excess or len(buffer) > _LINE_MAX:
                return excess or "wrote to a descriptor that is not its own"

    def _excess(self, process: subprocess.Popen[bytes], silent_s: float, output: Path) -> str:
        """Which of its bounds the process is beyond, in words; empty if none."""
        limits = self._limits
        if silent_s > limits.step_s:
            return f"did not return within {limits.step_s:g} s"
        if _resident(process.pid) > limits.memory_bytes:
            return f"used more than {limits.memory_bytes >> 20} MiB of memory (--memory)"
        if output.stat().st_size > OUTPUT_MAX:
            return f"printed more than {OUTPUT_MAX >> 20} MiB"
        return ""

    def _take(self, said: Said) -> bool:
        """Take one message in; whether it was the last one."""
        match said:
            case Called():
                self._call = said
            case Refused(plugin=plugin, message=message):
                if Problem(plugin, message) not in self._verdict.problems:  # a plugin that forks says it twice
                    self._verdict.problems.append(Problem(plugin, message))
                self._entries = [entry for entry in self._entries if entry.name != plugin]
            case KitOffer():
                self._offered(said)
            case CaseStarted(kit=identity):
                self._case = said
                kit = self._kits.get(identity)
                if kit is not None and not kit.cases:
                    self._progress(f"{kit.plugin}: {kit.kit}")
            case CaseEnded():
                self._ended(said)
            case AllDone():
                return True
        return False

    def _offered(self, offer: KitOffer) -> None:
        self._secrets.setdefault(offer.plugin, set()).update(filter(None, offer.secrets))
        if offer.id in self._kits:
            return
        kit = KitResult(
            plugin=offer.plugin, hook=offer.hook, name=offer.name, kit=offer.kit, problem=self._masked(offer.problem)
        )
        self._kits[offer.id] = kit
        self._verdict.kits.append(kit)

    def _ended(self, ended: CaseEnded) -> None:
        case, self._case = self._case, None
        if case is None:
            return
        kit = self._kits.get(case.kit)
        known = kit is not None and any(each.test == case.test for each in kit.cases)
        if kit is None or known:
            return
        kit.cases.append(
            Case(
                test=case.test,
                promise=case.promise,
                outcome=ended.outcome,
                message=self._masked(ended.message),
                seconds=round(ended.seconds, 3),
            )
        )

    def _blame(self, why: str, output: Path) -> None:
        """The process is gone: fail the test that ran, or name the plugin whose code did."""
        tail = self._masked(_tail(output))
        if self._case is not None:
            self._done += [kit for kit in self._kits if kit == self._case.kit or self._kits[kit].cases]
            self._ended(CaseEnded("failed", f"the process {why}{tail}", 0.0))
            return
        plugin = self._call.plugin if self._call is not None else self._entries[0].name
        what = self._call.what if self._call is not None else "its import"
        self._verdict.problems.append(Problem(plugin, f"plugin {plugin}: during {what} the process {why}{tail}"))
        self._entries = [entry for entry in self._entries if entry.name != plugin]
        self.unfinished = self.unfinished and bool(self._entries)

    def _search(self, printed: bytes) -> None:
        """Look for secrets in what was printed."""
        for plugin, secrets in self._secrets.items():
            known = any(problem.plugin == plugin and "secret" in problem.message for problem in self._verdict.problems)
            if not known and any(secret.encode() in printed for secret in secrets):
                self._verdict.problems.append(Problem(plugin, f"plugin {plugin} printed a secret it was given"))

    def _masked(self, text: str) -> str:
        for secrets in self._secrets.values():
            for secret in secrets:
                text = text.replace(secret, "***")
        return text


class _child:  # noqa: N801 - used as a function: ``with _child(…)``
    """The verifying process, and the descriptor it speaks on; whatever is left of it is killed at the end."""

    def __init__(self, job: Job, output: BinaryIO, temporary: str) -> None:
        self._job = job
        self._output = output
        self._temporary = temporary

    def __enter__(self) -> tuple[subprocess.Popen[bytes], int]:
        self._words, speaker = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "jackfield.verification.child", str(speaker)],
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=self._output,
            env={**os.environ, "TMPDIR": self._temporary},
            pass_fds=[speaker],
            start_new_session=True,
        )
        os.close(speaker)
        if self._process.stdin is not None:
            with self._process.stdin as stdin:
                stdin.write(msgspec.json.encode(self._job))
        return self._process, self._words

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._words)


def _decoded(lines: list[bytes]) -> Iterator[Said]:
    for line in lines:
        try:
            yield msgspec.json.decode(line, type=Said)
        except msgspec.DecodeError:
            continue  # a plugin wrote to our descriptor


def _how_it_ended(process: subprocess.Popen[bytes]) -> str:
    try:
        code = process.wait(1.0)
    except subprocess.TimeoutExpired:
        return "closed all its descriptors"
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}, without a word"


def _resident(pid: int) -> int:
    """Resident memory of a process, in bytes; 0 where the system does not say (``proc(5)``, ``statm``)."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0


def _tail(output: Path) -> str:
    with output.open("rb") as file:
        file.seek(max(0, output.stat().st_size - 4096))
        lines = file.read().decode(errors="replace").splitlines()
    shown = [line for line in lines if line.strip()][-TAIL_LINES:]
    return "".join(f"\n| {line[:TAIL_WIDTH]}" for line in shown)
