"""Signals as bytes on a descriptor, so that one ``select`` waits for them and for everything else."""

from __future__ import annotations

import contextlib
import signal
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import FrameType, TracebackType
    from typing import Self

SHUTDOWN: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
"""A terminal that goes away (SIGHUP) is a wish to end like any other."""


class SignalReader:
    """Catches ``SHUTDOWN`` signals and SIGCHLD while it is entered. Main thread only."""

    def __init__(self) -> None:
        self._read, self._write = socket.socketpair()
        self._read.setblocking(False)
        self._write.setblocking(False)
        self._before: dict[int, object] = {}
        self._wakeup = -1

    def fileno(self) -> int:
        """Readable when a signal came."""
        return self._read.fileno()

    def take(self) -> list[int]:
        """The signals since the last call, SIGCHLD left out."""
        try:
            return [number for number in self._read.recv(4096) if number in SHUTDOWN]
        except BlockingIOError:
            return []

    def __enter__(self) -> Self:
        self._wakeup = signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        for number in (*SHUTDOWN, signal.SIGCHLD):
            # started by nohup, a process keeps ignoring SIGHUP
            if signal.getsignal(number) is not signal.SIG_IGN or number == signal.SIGCHLD:
                self._before[number] = signal.signal(number, _noted)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            with contextlib.suppress(TypeError):  # a handler that was not set from Python cannot be put back
                signal.signal(number, handler)  # type: ignore[arg-type]  # one of signal's own
        signal.set_wakeup_fd(self._wakeup)
        self._read.close()
        self._write.close()


def _noted(number: int, frame: FrameType | None) -> None:
    """The wake-up descriptor has it; a handler must exist for that to happen."""
