"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

Command = TypeVar("Command", bound="Callable[..., object]")


def manifest_options(function: Command) -> Command:
    """``--config`` and ``--set``: parameters *file* and *sets*."""
    sets = click.option(
        "--set",
        "sets",
        multiple=True,
        metavar="KEY=VALUE",
        help="Override one setting, such as kernel.queue=8; repeatable.",
    )
    return file_option(sets(function))


def file_option(function: Command) -> Command:
    """``--config``: parameter *file*."""
    option = click.option(
        "--config",
        "file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="The manifest. Default: plugins.toml of the current folder, if there is one.",
    )
    return option(function)


def json_option(function: Command) -> Command:
    """``--json``: parameter *as_json*."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")(function)
