"""One child process and the control conversation with it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from jackfield.channel.local import MessageSocket, PeerGone
from jackfield.channel.messages import ToChild, ToSupervisor, to_child, to_supervisor
from jackfield.errors import ChannelError

if TYPE_CHECKING:
    from jackfield.log_ring import LogRing

SEND_TIMEOUT_S: Final = 2.0
"""How long one message may wait for a child to read. A socket buffer holds hundreds: who makes us wait hangs."""

_PYTHON: Final = (sys.executable, "-P", "-m")
"""``-P``: a file in the current folder must not shadow a module of ours."""

CHILD_ENVIRONMENT: Final = {"MALLOC_MMAP_THRESHOLD_": "1048576"}
"""Defaults for children. glibc's threshold otherwise grows with each large block that is freed (``mallopt(3)``), and
then request bodies come from heaps that are never given back. ``GGML_NO_BACKTRACE`` is set besides, always: ggml's
backtrace forks a debugger, which can hang the dying process."""


WORKER_ENVIRONMENT: Final = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
"""And for workers: large blocks ask for huge pages (``madvise(2)``; glibc 2.35 and newer, others take no notice)."""


class ChildCommands(NamedTuple):
    """What is executed for each kind of child; see ``spawn`` for what is appended."""

    gateway: Sequence[str] = (*_PYTHON, "jackfield.gateway")
    worker: Sequence[str] = (*_PYTHON, "jackfield.worker")


class Child:
    """A running child process. Used by the supervisor's only thread."""

    def __init__(self, process: subprocess.Popen[bytes], control: socket.socket) -> None:
        self._process = process
        control.settimeout(SEND_TIMEOUT_S)
        self._control: MessageSocket[ToSupervisor, ToChild] = MessageSocket(control, to_supervisor(), to_child())
        self.closed = False
        """Whether the conversation is over: end-of-file, or something that is no message."""

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def fileno(self) -> int:
        """Of the control socket, for the selector."""
        return self._control.fileno()

    def send(self, message: ToChild, descriptors: Sequence[int] = ()) -> None:
        """Send *message*. A child that does not read is ended; one that has hung up is about to end by itself."""
        if self.closed:
            return
        try:
            self._control.send(message, descriptors)
        except PeerGone:
            return  # ``receive`` sees it too; a kill now would hide why it ends
        except OSError:
            self.kill()

    def receive(self) -> list[ToSupervisor]:
        """What it has said. Call when the control socket is readable; nothing once ``closed``."""
        if self.closed:
            return []
        try:
            return self._control.receive()
        except (PeerGone, ChannelError, OSError):
            self.closed = True
            return []

    def kill(self) -> None:
        """SIGKILL; harmless if it has ended already."""
        self._process.kill()

    def exit_code(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs. Leaves no zombie."""
        return self._process.poll()

    def wait(self, timeout_s: float) -> None:
        """Wait for its end, at most *timeout_s* seconds."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return

    def close(self) -> None:
        """Close the control socket, which also ends a child that still runs."""
        self.closed = True
        self._control.close()


def spawn(command: Sequence[str], log: LogRing, *, model: str = "") -> Child:
    """Start a child.

    Parameters:
        command: What is executed. ``--control-fd N --log-fd N`` is appended, for a worker after ``--model NAME``,
            which is there for people who look at the process list: everybody may see it, so nothing else is.
        log: Where it keeps its log lines.
        model: What a worker serves.

    It has its own session: Ctrl-C on the terminal reaches the supervisor only, which decides what it means. It writes
    what it prints to standard error, so that standard output is the supervisor's alone.

    Raises:
        OSError: The system cannot start a process now.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    arguments = ["--model", model] if model else []
    environment = {**CHILD_ENVIRONMENT, **WORKER_ENVIRONMENT} if model else CHILD_ENVIRONMENT
    arguments += ["--control-fd", str(theirs.fileno()), "--log-fd", str(log.fileno())]
    try:
        with theirs:
            process = subprocess.Popen(
                [*command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=sys.__stderr__ or subprocess.DEVNULL,
                env={**environment, **os.environ, "GGML_NO_BACKTRACE": "1"},
                pass_fds=[theirs.fileno(), log.fileno()],
                start_new_session=True,
            )
    except OSError:
        ours.close()
        raise
    return Child(process, ours)


def how_it_ended(exit_code: int) -> str:
    """``ended with exit code 1`` or ``ended by SIGKILL``."""
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    try:
        return f"ended by {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"ended by signal {-exit_code}"
