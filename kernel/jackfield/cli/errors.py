"""From what went wrong to one message and an exit code. A user's mistake never gives a traceback."""

from __future__ import annotations

import os
import sys
from typing import Final

import click

from jackfield.errors import JackfieldError, ManifestError, PluginError

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_INTERRUPTED: Final = 130
"""128 + SIGINT, as shells have it."""

EXIT_CODES: Final = """\
\b
Exit codes:
  0    it worked; a server stopped in good order; doctor found no error
  1    it failed; a server could not go on, or a second signal cut its shutdown short;
       no server is there to ask; a worker did not come back; doctor found an error
  2    the command line, plugins.toml or a plugin cannot be used as it is
  130  interrupted with Ctrl-C (other than serve, which ends in good order)
"""


def guarded(command: click.Command) -> int:
    """Run *command* on ``sys.argv``; return the exit code."""
    try:
        result = command.main(prog_name="jackfield", standalone_mode=False, color=False if _plain() else None)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return EXIT_INTERRUPTED
    except JackfieldError as error:
        complain(error.message)
        return EXIT_USAGE if isinstance(error, ManifestError | PluginError) else EXIT_FAILED
    except BrokenPipeError:
        give_up_output()
        return EXIT_FAILED
    except OSError as error:
        complain(f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error))
        _discard_what_cannot_be_written()
        return EXIT_FAILED
    return result if isinstance(result, int) else EXIT_OK


def complain(message: str) -> None:
    """Print an error on standard error."""
    click.echo(click.style("Error: ", fg="red") + message, err=True, color=False if _plain() else None)


def warn(message: str) -> None:
    """Print a warning on standard error."""
    click.echo(click.style("Warning: ", fg="yellow") + message, err=True, color=False if _plain() else None)


def give_up_output() -> None:
    """Nobody reads standard output any more: let what is still to be written, also at exit, go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _discard_what_cannot_be_written() -> None:
    """A full disk under standard output must not be told once more, with a traceback, when Python ends."""
    try:
        sys.stdout.flush()
    except OSError:
        give_up_output()


def _plain() -> bool:
    """Whether the user asked for no colours (https://no-color.org)."""
    return bool(os.environ.get("NO_COLOR"))
