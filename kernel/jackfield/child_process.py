"""What gateway and worker processes have in common: they belong to a supervisor and end with it."""

from __future__ import annotations

import argparse
import ctypes
import signal
from typing import Final, NamedTuple

EXIT_REFUSED: Final = 3
"""The child cannot work as configured; a restart would refuse again."""

_PR_SET_PDEATHSIG: Final = 1
"""``prctl(2)``: the signal this process gets when the thread that made it ends."""


def belong_to_supervisor() -> None:
    """End with the supervisor, and leave Ctrl-C, which the terminal sends to the whole group, to it.

    A second line: the first one is end-of-file on the control socket. Main thread, first thing.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class ChildArguments(NamedTuple):
    """The command line of a child."""

    control_fd: int
    """Inherited socket to the supervisor."""
    log_fd: int | None
    """Inherited file that keeps the latest log lines."""


def child_arguments(program: str) -> ChildArguments:
    """The command line that the supervisor started *program* with."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description="Started by the supervisor only.")
    parser.add_argument("--control-fd", type=int, required=True, help="inherited socket to the supervisor")
    parser.add_argument("--log-fd", type=int, help="inherited file for the latest log lines")
    parser.add_argument("--model", help="for the process list; the supervisor says what to serve")
    arguments = parser.parse_args()
    return ChildArguments(arguments.control_fd, arguments.log_fd)
