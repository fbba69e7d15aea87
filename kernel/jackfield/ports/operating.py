"""Operating a running server: what its operator can do, for frontends that let principals with scope ``admin`` do it.

``Gateway.operator`` has it. The supervisor answers, whom a gateway within another program does not have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, TypeAlias

import msgspec

from jackfield.cache_report import CacheAnswer
from jackfield.ports.backend import ModelInfo, RunnerLimits

ChildKind: TypeAlias = Literal["gateway", "worker"]
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]


class ChildState(msgspec.Struct, frozen=True, kw_only=True):
    """One process of the server."""

    kind: ChildKind
    model: str = ""
    """Of a worker."""
    aliases: Sequence[str] = ()
    state: str
    """A ``WorkerState``."""
    reason: str = ""
    pid: int | None = None
    restarts: int = 0
    uptime_s: float | None = None
    """Since the process was started; None where there is none."""
    requests: int = 0
    """That have not ended, a second ago at most."""
    memory_bytes: int | None = None
    """Resident memory; pages of a mapped model file count."""
    threads: int | None = None
    info: ModelInfo | None = None
    limits: RunnerLimits | None = None


class ServerState(msgspec.Struct, frozen=True, kw_only=True, tag="state"):
    """The server and its processes."""

    version: str
    pid: int
    started: int
    """Unix seconds."""
    api: Sequence[str]
    """URLs."""
    health: Sequence[str]
    stopping: bool = False
    children: Sequence[ChildState] = ()
    """The gateway, then the workers in manifest order."""


class CacheOf(msgspec.Struct, frozen=True, kw_only=True):
    """What one worker says of its prefix cache."""

    model: str
    answer: CacheAnswer | None = None
    """None where it serves nobody now, or has ended."""
    reason: str = ""
    """Why there is no answer."""


class PluginState(msgspec.Struct, frozen=True, kw_only=True):
    """An enabled plugin."""

    name: str
    plugin: str
    distribution: str


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """A value of the manifest."""

    value: str
    """As TOML would have it; secrets are hidden."""
    origin: str
    """Where it comes from: a file and line, the environment, the command line, a default."""


class Operator(Protocol):
    """What an operator can do. Event loop thread; each may take up to a few seconds.

    What is a coroutine raises ``UnsupportedField`` where there is no supervisor, ``DeadlineExceeded`` where it is
    silent, and ``InvalidRequest`` for what the server does not have.
    """

    def plugins(self) -> Sequence[PluginState]:
        """The enabled plugins, in the order they are asked."""
        ...

    def settings(self) -> Mapping[str, Setting]:
        """The manifest that this gateway was started with, by key path."""
        ...

    async def state(self) -> ServerState:
        """The server and its processes."""
        ...

    async def restart(self, model: str, *, now: bool) -> ServerState:
        """Restart the worker of *model*, a name or an alias; *now* does not let its requests finish."""
        ...

    async def caches(self, model: str, *, clear: bool) -> Sequence[CacheOf]:
        """Prefix caches of the workers, of *model* or, where it is empty, of all; *clear* forgets what nobody reads."""
        ...

    async def reload(self) -> ServerState:
        """Read the manifest again: its log level and the scheduler's options hold from now on."""
        ...

    async def log_level(self, level: LogLevel) -> ServerState:
        """Log at *level*, until the manifest is read again."""
        ...

    async def drain(self) -> ServerState:
        """Finish running requests and end the server."""
        ...
