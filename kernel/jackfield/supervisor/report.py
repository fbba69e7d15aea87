"""What the supervisor tells the person who started it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from jackfield.channel.messages import Ready, WorkerStatus


class Addresses(NamedTuple):
    """Where a server can be reached."""

    api: Sequence[str]
    """URLs."""
    health: Sequence[str]
    """URLs."""
    no_control: str = ""
    """Why ``jackfield workers`` does not find it; empty where it does."""


class Report(Protocol):
    """Told of events by the supervisor's only thread; must neither block nor raise."""

    def listening(self, addresses: Addresses) -> None:
        """The first gateway has agreed to serve, and listens.

        Told once, before anything is said of gateways and workers; trouble and the end may come without it.
        """
        ...

    def gateway_ready(self, ready: Ready, restarts: int) -> None:
        """A gateway serves, as it says; it is the first one, or one that was started again."""
        ...

    def worker(self, status: WorkerStatus) -> None:
        """A worker entered a state, or made progress in it."""
        ...

    def trouble(self, text: str) -> None:
        """Something that needs an eye: a gateway that died, a start that was refused."""
        ...

    def log_level(self, level: str) -> None:
        """SIGHUP came, and the manifest has this log level now; all processes follow it."""
        ...

    def reconfigured(self, model: str, plugin: str) -> None:
        """The worker of a model runs with the new options of a plugin."""
        ...

    def stopping(self, timeout_s: float) -> None:
        """The shutdown began; running requests have this many seconds."""
        ...
