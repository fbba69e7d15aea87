"""Signals as bytes on a descriptor, so that one ``select`` waits for them and for everything else."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import FrameType, TracebackType
    from typing import Self

SHUTDOWN: Final = frozenset({signal.SIGTERM, signal.SIGINT})
"""A wish to end."""

CAUGHT: Final = SHUTDOWN | {signal.SIGHUP}
"""SIGHUP asks to read the manifest again, as daemons understand it, or says that the terminal has gone away."""


class Wish(Enum):
    """What a signal asks for."""

    END = auto()
    REREAD = auto()


class SignalReader:
    """Catches ``CAUGHT`` signals and SIGCHLD while it is entered. Main thread only."""

    def __init__(self) -> None:
        self._read, self._write = socket.socketpair()
        self._read.setblocking(False)
        self._write.setblocking(False)
        self._before: dict[int, object] = {}
        self._wakeup = -1
        self._terminal = _has_terminal()

    def fileno(self) -> int:
        """Readable when a signal came."""
        return self._read.fileno()

    def take(self) -> list[Wish]:
        """What was asked for since the last call; to read again, which takes time, at most once."""
        try:
            numbers = self._read.recv(4096)
        except BlockingIOError:
            return []
        wishes = [self._wish(number) for number in numbers if number in CAUGHT]
        again = [Wish.REREAD] if Wish.REREAD in wishes else []
        return [*again, *(wish for wish in wishes if wish is Wish.END)]

    def _wish(self, number: int) -> Wish:
        # a terminal that hangs up takes our control over it away before it sends the signal (setsid(2), tty(4))
        hung_up = self._terminal and not _has_terminal()
        return Wish.END if number in SHUTDOWN or hung_up else Wish.REREAD

    def __enter__(self) -> Self:
        self._wakeup = signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        for number in (*CAUGHT, signal.SIGCHLD):
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


def _has_terminal() -> bool:
    """Whether this process has a controlling terminal."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _noted(number: int, frame: FrameType | None) -> None:
    """The wake-up descriptor has it; a handler must exist for that to happen."""
