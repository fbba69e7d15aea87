"""What ``jackfield serve`` prints on standard output: lines for people, or JSON lines for scripts."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

import click
import msgspec

from jackfield.cli.errors import complain, give_up_output
from jackfield.lifecycle import WorkerState
from jackfield.platforms import log_destination, platforms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.channel.messages import Ready, WorkerStatus
    from jackfield.manifest import Manifest
    from jackfield.platforms import Surroundings
    from jackfield.supervisor.report import Addresses

DEMO_SOURCE: Final = "jackfield:demo"
DEMO_NOTE: Final = "a tiny packaged model that shows how things work; jackfield serve ./model.gguf serves your own"

NO_AUTHENTICATOR: Final = "none: anybody on this machine may call (loopback only)"
"""Without an authenticator the gateway refuses any address beyond loopback."""

NO_CONTROL: Final = "not to be found by jackfield workers"
CONTROL: Final = "jackfield workers list shows how it is"

_BAR: Final = 30
"""Width of the progress bar, in characters."""

_STEP: Final = 20
"""Percent between two lines of progress, where lines cannot be rewritten."""


class LineReport:
    """For people.

    Parameters:
        manifest: What is served.
        terminal: Whether one line may be rewritten in place, to show progress as a bar.
        here: Where it runs.
    """

    def __init__(self, manifest: Manifest, *, terminal: bool, here: Surroundings) -> None:
        self._manifest = manifest
        self._here = here
        self._terminal = terminal
        self._half_line = False
        self._shown: dict[str, int] = {}
        self._api: Sequence[str] = ()
        self._open = False
        self._greeted = False
        self._states: dict[str, WorkerStatus] = {}

    def listening(self, addresses: Addresses) -> None:
        from jackfield import __version__

        self._api = addresses.api
        self._line(click.style(f"Jackfield {__version__}", bold=True))
        self._fact("API", " ".join(addresses.api))
        self._fact("health", " ".join(addresses.health))
        self._fact("platform", ", ".join(platforms(self._here)))
        self._fact("logs", f"to {log_destination(self._here)}")
        control = f"{NO_CONTROL}: {addresses.no_control}" if addresses.no_control else CONTROL
        self._fact("process", f"{self._here.pid}; {control}")
        for name, model in self._manifest.models.items():
            self._fact("model", f"{name} ({DEMO_NOTE})" if model.source == DEMO_SOURCE else name)

    def gateway_ready(self, ready: Ready, restarts: int) -> None:
        self._open = True
        if not self._greeted:
            self._greeted = True
            asked = {ref.name for ref in self._manifest.enabled}
            names = [name if name in asked else f"{name} (default)" for name in ready.plugins]
            self._fact("plugins", ", ".join(names) or "none")
            self._fact("auth", ", ".join(ready.authenticators) or NO_AUTHENTICATOR)
        if restarts:
            self._line(f"the gateway serves (restart {restarts})")
        self._announce()

    def worker(self, status: WorkerStatus) -> None:
        before = self._states.get(status.model)
        self._states[status.model] = status
        if status.state == WorkerState.LOADING:
            self._progress(status)
        elif status.state == WorkerState.READY:
            self._line(f"{status.model}: {_loaded(status)}")
            self._announce()
        elif status.state == WorkerState.BACKOFF:
            self._line(click.style(f"{status.model}: worker {status.reason}", fg="yellow"))
        elif status.state in (WorkerState.WAITING, WorkerState.RECYCLING):
            self._line(f"{status.model}: {status.reason}")
        elif status.state == WorkerState.FAILED and (before is None or before.state != WorkerState.FAILED):
            self._line(click.style(f"{status.model}: cannot be served: {status.reason}", fg="red"))
            self._announce()

    def trouble(self, text: str) -> None:
        self._end_half_line()
        _complain(text)

    def log_level(self, level: str) -> None:
        self._line(f"log level: {level}")

    def reconfigured(self, model: str, plugin: str) -> None:
        self._line(f"{model}: {plugin} has new options")

    def stopping(self, timeout_s: float) -> None:
        self._open = False
        self._line(f"stopping: running requests have {timeout_s:g} s to finish; a second signal ends at once")

    def _announce(self) -> None:
        """Say so once everything that can serve does."""
        states = {status.model: status.state for status in self._states.values()}
        failed = [model for model, state in states.items() if state == WorkerState.FAILED]
        complete = len(states) == len(self._manifest.models) and len(failed) < len(states)
        if self._open and complete and set(states.values()) <= {WorkerState.READY, WorkerState.FAILED}:
            but = f" (without {', '.join(failed)})" if failed else ""
            self._line(click.style(f"ready: {' '.join(self._api)}{but}", fg="yellow" if failed else "green"))

    def _progress(self, status: WorkerStatus) -> None:
        percent = int("".join(filter(str.isdigit, status.reason)) or 0)
        text = f"loading {status.model} {percent} %"
        if self._terminal:
            done = percent * _BAR // 100
            _rewrite(f"{'━' * done}{' ' * (_BAR - done)} {text}")
            self._half_line = True
        elif percent >= self._shown.get(status.model, 0) + _STEP or percent < self._shown.get(status.model, 0):
            self._shown[status.model] = percent
            self._line(text)

    def _fact(self, label: str, text: str) -> None:
        self._line(f"  {label:<8} {text}")

    def _line(self, text: str) -> None:
        self._end_half_line()
        _echo(text)

    def _end_half_line(self) -> None:
        if self._half_line:
            self._half_line = False
            _rewrite("")


class JsonReport:
    """For scripts: one JSON object a line, each with an ``event``.

    Parameters:
        manifest: What is served.
        here: Where it runs.
    """

    def __init__(self, manifest: Manifest, *, here: Surroundings) -> None:
        self._manifest = manifest
        self._here = here

    def listening(self, addresses: Addresses) -> None:
        from jackfield import __version__

        self._line(
            "listening",
            version=__version__,
            pid=self._here.pid,
            api=addresses.api,
            health=addresses.health,
            control=not addresses.no_control,
            no_control=addresses.no_control,
            platform=platforms(self._here),
            logs=log_destination(self._here),
            models=list(self._manifest.models),
        )

    def gateway_ready(self, ready: Ready, restarts: int) -> None:
        asked = {ref.name for ref in self._manifest.enabled}
        defaulted = [name for name in ready.plugins if name not in asked]
        self._line(
            "gateway",
            plugins=ready.plugins,
            defaulted=defaulted,
            authenticators=ready.authenticators,
            restarts=restarts,
        )

    def worker(self, status: WorkerStatus) -> None:
        fields = {"model": status.model, "state": status.state, "reason": status.reason, "restarts": status.restarts}
        self._line("worker", **fields)

    def trouble(self, text: str) -> None:
        self._line("trouble", text=text)
        _complain(text)

    def log_level(self, level: str) -> None:
        self._line("log_level", level=level)

    def reconfigured(self, model: str, plugin: str) -> None:
        self._line("reconfigured", model=model, plugin=plugin)

    def stopping(self, timeout_s: float) -> None:
        self._line("stopping", timeout_s=timeout_s)

    def _line(self, event: str, **fields: object) -> None:
        _echo(msgspec.json.encode({"event": event, **fields}).decode())


def _loaded(status: WorkerStatus) -> str:
    parts = ["loaded"]
    if status.info is not None:
        parts.append(status.info.description)
    if status.limits is not None:
        parts.append(f"context {status.limits.context}, {status.limits.max_sequences} requests at once")
    if status.restarts:
        parts.append(f"restart {status.restarts}")
    return ", ".join(parts)


def _rewrite(text: str) -> None:
    """Replace the terminal's current line; also where colours are off, which would strip the control sequence."""
    _echo(f"\r\x1b[2K{text}", newline=False, color=True)


def _complain(text: str) -> None:
    """Say it where errors go; a full disk there does not stop the server."""
    with suppress(OSError):
        complain(text)


def _echo(text: str, *, newline: bool = True, color: bool | None = None) -> None:
    """Print; a reader that has gone away does not stop the server."""
    try:
        click.echo(text, nl=newline, color=color)
    except OSError:
        give_up_output()
