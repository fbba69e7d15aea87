"""The command ``jackfield``. Each command has a module of its own, imported when it is asked for."""

from __future__ import annotations

import io
import os
import sys


def main() -> None:
    """Console script: run the command line in ``sys.argv`` and exit."""
    _open_standard_streams()
    from jackfield.cli.errors import guarded
    from jackfield.cli.group import jackfield

    sys.exit(guarded(jackfield))


def _open_standard_streams() -> None:
    """Standard streams that the caller closed lead nowhere.

    Otherwise the next socket would get the number of one, and child processes would write their logs into it.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # the system gives the lowest number that is free, which is this one
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w")
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w")
    for stream in (sys.stdout, sys.stderr):
        # a terminal that cannot show a character shows another one; no command fails for that
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
