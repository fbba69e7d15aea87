"""What the supervisor tells the person who started it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.channel.messages import WorkerStatus


class Report(Protocol):
    """Told of events by the supervisor's only thread; must neither block nor raise."""

    def listening(self, api: Sequence[str], health: Sequence[str]) -> None:
        """The sockets are bound, at these URLs; nothing is loaded yet."""
        ...

    def gateway_ready(self, plugins: Mapping[str, str]) -> None:
        """A gateway serves, with these plugins: instance name → ``"distribution version"``."""
        ...

    def worker(self, status: WorkerStatus) -> None:
        """A worker entered a state, or made progress in it."""
        ...

    def trouble(self, text: str) -> None:
        """Something that needs an eye: a gateway that died, a start that was refused."""
        ...

    def stopping(self, timeout_s: float) -> None:
        """The shutdown began; running requests have this many seconds."""
        ...
