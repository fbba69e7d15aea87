"""``jackfield version``."""

from __future__ import annotations

import click


@click.command("version")
def command() -> None:
    """Print the version of Jackfield and of its plugin API."""
    from jackfield import API_VERSION, __version__

    click.echo(f"jackfield {__version__} (plugin API {'.'.join(map(str, API_VERSION))})")
