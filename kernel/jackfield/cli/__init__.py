"""The command ``jackfield``. Each command has a module of its own, imported when it is asked for."""

from __future__ import annotations


def main() -> None:
    """Console script: run the command line in ``sys.argv`` and exit."""
    import sys

    from jackfield.cli.errors import guarded
    from jackfield.cli.group import jackfield

    sys.exit(guarded(jackfield))
