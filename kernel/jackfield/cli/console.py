"""What ``jackfield serve`` prints on standard output: lines for people, or JSON lines for scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click
import msgspec

from jackfield.cli.errors import complain, give_up_output
from jackfield.lifecycle import WorkerState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.channel.messages import Ready, WorkerStatus
    from jackfield.manifest import Manifest
    from jackfield.supervisor.report import Addresses

DEMO_SOURCE: Final = "jackfield:demo"
DEMO_NOTE: Final = "a tiny packaged model that shows how things work; jackfield serve ./model.gguf serves your own"

NO_AUTHENTICATOR: Final = "none (loopback only)"
"""No socket for authenticators exists yet: the gateway refuses any address beyond loopback."""

_BAR: Final = 30
"""Width of the progress bar, in characters."""

_STEP: Final = 20
"""Percent between two lines of progress, where lines cannot be rewritten."""


class LineReport:
    """For people.

    Parameters:
        manifest: What is served.
        terminal: Whether one line may be rewritten in place, to show progress as a bar.
    """

    def __init__(self, manifest: Manifest, *, terminal: bool) -> None:
        self._manifest = manifest
        self._terminal = terminal
        self._half_line = False
        self._shown: dict[str, int] = {}
        self._api: Sequence[str] = ()
        self._open = False
        self._states: dict[str, WorkerStatus] = {}

    def listening(self, addresses: Addresses) -> None:
        from jackfield import __version__

        self._api = addresses.api
        rows = {"API": " ".join(addresses.api), "health": " ".join(addresses.health), "auth": NO_AUTHENTICATOR}
        self._line(click.style(f"Jackfield {__version__}", bold=True))
        for label, text in rows.items():
            self._line(f"  {label:<8} {text}")
        for name, model in self._manifest.models.items():
            note = f" ({DEMO_NOTE})" if model.source == DEMO_SOURCE else ""
            self._line(f"  {'model':<8} {name}{note}")

    def gateway_ready(self, ready: Ready, restarts: int) -> None:
        asked = {ref.name for ref in self._manifest.enabled}
        names = [name if name in asked else f"{name} (default)" for name in ready.plugins]
        self._open = True
        if restarts:
            self._line(f"the gateway serves again (restart {restarts})")
            return
        self._line(f"  {'plugins':<8} {', '.join(names) or 'none'}")
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
        elif status.state == WorkerState.FAILED and (before is None or before.state != WorkerState.FAILED):
            self._line(click.style(f"{status.model}: cannot be served: {status.reason}", fg="red"))

    def trouble(self, text: str) -> None:
        self._end_half_line()
        complain(text)

    def log_level(self, level: str) -> None:
        self._line(f"log level: {level}")

    def stopping(self, timeout_s: float) -> None:
        self._open = False
        self._line(f"stopping: running requests have {timeout_s:g} s to finish; a second signal ends at once")

    def _announce(self) -> None:
        """Say so once everything that can serve does."""
        states = [status.state for status in self._states.values()]
        if self._open and len(states) == len(self._manifest.models) and set(states) == {WorkerState.READY}:
            self._line(click.style(f"ready: {' '.join(self._api)}", fg="green"))

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

    def _line(self, text: str) -> None:
        self._end_half_line()
        _echo(text)

    def _end_half_line(self) -> None:
        if self._half_line:
            self._half_line = False
            _rewrite("")


class JsonReport:
    """For scripts: one JSON object a line, each with an ``event``."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest

    def listening(self, addresses: Addresses) -> None:
        from jackfield import __version__

        api, health = addresses.api, addresses.health
        self._line("listening", version=__version__, api=api, health=health, models=list(self._manifest.models))

    def gateway_ready(self, ready: Ready, restarts: int) -> None:
        asked = {ref.name for ref in self._manifest.enabled}
        defaulted = [name for name in ready.plugins if name not in asked]
        self._line("gateway", plugins=ready.plugins, defaulted=defaulted, restarts=restarts)

    def worker(self, status: WorkerStatus) -> None:
        fields = {"model": status.model, "state": status.state, "reason": status.reason, "restarts": status.restarts}
        self._line("worker", **fields)

    def trouble(self, text: str) -> None:
        self._line("trouble", text=text)
        complain(text)

    def log_level(self, level: str) -> None:
        self._line("log_level", level=level)

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
    return ", ".join(parts)


def _rewrite(text: str) -> None:
    """Replace the terminal's current line; also where colours are off, which would strip the control sequence."""
    _echo(f"\r\x1b[2K{text}", newline=False, color=True)


def _echo(text: str, *, newline: bool = True, color: bool | None = None) -> None:
    """Print; a reader that has gone away does not stop the server."""
    try:
        click.echo(text, nl=newline, color=color)
    except OSError:
        give_up_output()
