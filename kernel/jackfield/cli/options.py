"""Options that several commands have."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_SERVER: Final = "http://127.0.0.1:8080"
"""Where ``jackfield serve`` listens unless told otherwise."""

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


def output_option(name: str, help_text: str) -> Callable[[Command], Command]:
    """An option that names a file to write, refused at once where it cannot be written."""
    return click.option(
        name,
        type=click.Path(path_type=Path, dir_okay=False, writable=True),
        callback=_checked_output,
        metavar="FILE",
        help=help_text,
    )


def _checked_output(_ctx: click.Context, _param: click.Parameter, file: Path | None) -> Path | None:
    """Callback of an option that names a file to be written: long work must not end in a file that cannot be made."""
    if file is not None and not (file.absolute().parent.is_dir() and os.access(file.absolute().parent, os.W_OK)):
        raise click.BadParameter(f"no file can be made in the folder of {file}")
    return file


class Server(NamedTuple):
    """The server that a command talks to."""

    url: str
    key: str | None
    """API key; None where it asks for none."""
    ca: Path | None = None
    """PEM file with the authorities that may have signed its certificate; None goes by the system's."""


def server_options(function: Callable[..., object]) -> Callable[..., object]:
    """``--url``, ``--key-file`` and ``--ca``: parameter *server*, a ``Server``."""

    @functools.wraps(function)
    def with_server(*arguments: object, url: str, key_file: Path | None, ca: Path | None, **options: object) -> object:
        return function(*arguments, server=_server(url, key_file, ca), **options)

    with_url = click.option(
        "--url", default=DEFAULT_SERVER, show_default=True, metavar="URL", help="Address of the server."
    )
    return with_url(_trust_options(with_server))


def found_server_options(function: Callable[..., object]) -> Callable[..., object]:
    """``--server``, ``--url``, ``--key-file``, ``--ca``: parameter *server*, a ``Server``, else the one that runs."""
    from jackfield.cli.servers import choose, server_option

    @functools.wraps(function)
    def with_server(
        *arguments: object,
        server: str | None,
        url: str | None,
        key_file: Path | None,
        ca: Path | None,
        **options: object,
    ) -> object:
        if server is not None and url is not None:
            raise click.UsageError("--server and --url exclude each other")
        if url is None:
            with choose(server) as operator:
                url = operator.state().api[0]
        return function(*arguments, server=_server(url, key_file, ca), **options)

    with_url = click.option(
        "--url", metavar="URL", help="Address of a server of another user or host, instead of the one that runs here."
    )
    return server_option(with_url(_trust_options(with_server)))


def _trust_options(function: Callable[..., object]) -> Callable[..., object]:
    """``--key-file`` and ``--ca``: what the server trusts, and what is trusted of it."""
    with_ca = click.option(
        "--ca",
        type=click.Path(path_type=Path, dir_okay=False, exists=True),
        metavar="FILE",
        help="PEM file with the authority of an https:// server's certificate. Default: the system's authorities.",
    )
    with_key = click.option(
        "--key-file",
        type=click.Path(path_type=Path, dir_okay=False, exists=True),
        metavar="FILE",
        help="File with the API key on one line. Default: the variable JACKFIELD_API_KEY.",
    )
    return with_key(with_ca(function))


def _server(url: str, key_file: Path | None, ca: Path | None) -> Server:
    from jackfield.client.api import ApiError, base_url
    from jackfield.client.keys import api_key

    try:
        return Server(base_url(url), api_key(key_file), ca)
    except ApiError as error:
        raise click.UsageError(error.message) from error
