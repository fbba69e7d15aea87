"""Operating a running server: what its operator can do, for frontends that let principals with scope ``admin`` do it.

``Gateway.operator`` has it. The supervisor answers, whom a gateway within another program does not have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Protocol, TypeAlias

import msgspec

from jackfield.cache_report import CacheAnswer
from jackfield.ports.backend import ModelInfo, RunnerLimits

ChildKind: TypeAlias = Literal["gateway", "worker"]
_Json: TypeAlias = Annotated[object, msgspec.Meta(extra_json_schema={"description": "Any JSON value."})]

SettingValue: TypeAlias = str | int | float | bool | list[_Json] | dict[str, _Json] | None
"""A value as TOML can write it; None where there is none."""

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
    """A value that is in force."""

    value: SettingValue
    """Null where there is none; secrets are three stars."""
    origin: str
    """Where it comes from: a file and line, the environment, the command line, a change while the server runs, a
    default."""
    live: bool
    """Whether it may change while the server runs."""


class SettingChange(msgspec.Struct, frozen=True, kw_only=True):
    """One setting that becomes another."""

    key: str
    before: SettingValue
    after: SettingValue


class WorkerAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker has made of new options."""

    model: str
    answer: Literal["taken", "unchanged", "refused", "pending", "lost"]
    """pending: it has not answered yet; lost: it has ended meanwhile."""
    reason: str = ""
    """Why not, of one that has refused; the old options hold for it."""
    param: str | None = None
    """Key path at fault, where one is."""


class SettingsChanged(msgspec.Struct, frozen=True, kw_only=True):
    """What a change has come to."""

    changes: Sequence[SettingChange] = ()
    workers: Sequence[WorkerAnswer] = ()
    """Those that had to take new options over; none where no option has changed."""
    restart: Sequence[str] = ()
    """Keys that the manifest has other values for than the running server, which hold once it is restarted."""


class Operator(Protocol):
    """What an operator can do. Event loop thread; each may take up to a few seconds.

    What is a coroutine raises ``UnsupportedField`` where there is no supervisor, ``DeadlineExceeded`` where it is
    silent, and ``InvalidRequest`` for what the server does not have.
    """

    def plugins(self) -> Sequence[PluginState]:
        """The enabled plugins, in the order they are asked."""
        ...

    def settings(self) -> Mapping[str, Setting]:
        """What is in force, by key path."""
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

    async def reload(self) -> SettingsChanged:
        """Read the manifest again: its log level and the scheduler's options hold from now on."""
        ...

    async def change(self, values: Mapping[str, SettingValue], *, dry_run: bool) -> SettingsChanged:
        """Let settings be *values*, by key path, until the manifest is read again; *dry_run* only says what would be.

        Raises:
            UnsupportedField: A setting cannot change while the server runs; ``param`` is its key.
            InvalidRequest: A key is unknown, or a value cannot be used; ``param`` is the key.
            Overloaded: Another change is not over yet.
        """
        ...

    async def drain(self) -> ServerState:
        """Finish running requests and end the server."""
        ...
