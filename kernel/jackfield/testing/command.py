"""The command ``jackfield`` as users run it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

COMMAND: Final = (sys.executable, "-I", "-c", "from jackfield.cli import main; main()")
"""What the console script ``jackfield`` does, wherever the environment keeps its scripts."""

COMMAND_DEADLINE_S: Final = 30.0
"""Until a command has ended; one that serves although it should have refused is ended then."""


@dataclass(frozen=True)
class CommandResult:
    """A command that has ended."""

    code: int
    """Exit code."""
    output: str
    """Standard output and error together."""


def environment(folder: Path | None = None) -> dict[str, str]:
    """This process's environment without settings of Jackfield, wide enough that no message is wrapped.

    Parameters:
        folder: Commands find running servers only if both were started with the same one; None leaves the user's own.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith("JACKFIELD__")}
    if folder is not None:
        own["JACKFIELD_RUNTIME_DIR"] = str(folder / ".runtime")
    return own | {"COLUMNS": "400", "NO_COLOR": "1"}


def run_command(arguments: str, folder: Path) -> CommandResult:
    """Run ``jackfield`` with *arguments*, as typed in a shell, in *folder*.

    Raises:
        TimeoutExpired: It did not end in time, and was killed.
    """
    done = subprocess.run(
        [*COMMAND, *shlex.split(arguments)],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=COMMAND_DEADLINE_S,
        check=False,
    )
    return CommandResult(done.returncode, done.stdout.decode(errors="replace"))
