"""What gateway and worker processes have in common: they belong to a supervisor and end with it."""

from __future__ import annotations

import argparse
import ctypes
import signal
from typing import Final

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


def control_descriptor(program: str) -> int:
    """The inherited control socket that the command line of *program* names."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description="Started by the supervisor only.")
    parser.add_argument("--control-fd", type=int, required=True, help="inherited socket to the supervisor")
    arguments = parser.parse_args()
    return int(arguments.control_fd)
