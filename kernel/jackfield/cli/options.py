"""Options that several commands have."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypedDict, TypeVar

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.client.connection import Protection  # noqa: TC004  aiohttp is for commands that ask a server

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
    tls: Protection | None = None
    """What is trusted of it, and shown to it; None is the usual way."""


class Credentials(TypedDict):
    """What the options of ``_credential_options`` say: what shows who calls, and what is trusted of the server."""

    key_file: Path | None
    ca: Path | None
    cert: Path | None
    cert_key: Path | None


def server_options(function: Callable[..., object]) -> Callable[..., object]:
    """``--url``, ``--key-file``, ``--ca``, ``--cert`` and ``--cert-key``: parameter *server*, a ``Server``.

    A command's argument ``address`` is another way to say what ``--url`` does.
    """

    @functools.wraps(function)
    def with_server(
        *arguments: object,
        address: str | None = None,
        url: str,
        key_file: Path | None,
        ca: Path | None,
        cert: Path | None,
        cert_key: Path | None,
        **options: object,
    ) -> object:
        if address is not None and _was_typed("url"):
            raise click.UsageError("the server's address is given twice: as URL and as --url")
        given = Credentials(key_file=key_file, ca=ca, cert=cert, cert_key=cert_key)
        return function(*arguments, server=_server(address or url, given), **options)

    with_url = click.option(
        "--url", default=DEFAULT_SERVER, show_default=True, metavar="URL", help="Address of the server."
    )
    return with_url(_credential_options(with_server))


def found_server_options(function: Callable[..., object]) -> Callable[..., object]:
    """As ``server_options``, and ``--server``: parameter *server*, a ``Server``, else the one that runs."""
    from jackfield.cli.servers import choose, server_option

    @functools.wraps(function)
    def with_server(
        *arguments: object,
        server: str | None,
        url: str | None,
        key_file: Path | None,
        ca: Path | None,
        cert: Path | None,
        cert_key: Path | None,
        **options: object,
    ) -> object:
        if server is not None and url is not None:
            raise click.UsageError("--server and --url exclude each other")
        if url is None:
            with choose(server) as operator:
                url = operator.state().api[0]
        given = Credentials(key_file=key_file, ca=ca, cert=cert, cert_key=cert_key)
        return function(*arguments, server=_server(url, given), **options)

    with_url = click.option(
        "--url", metavar="URL", help="Address of a server of another user or host, instead of the one that runs here."
    )
    return server_option(with_url(_credential_options(with_server)))


def _credential_options(function: Callable[..., object]) -> Callable[..., object]:
    """``--key-file``, ``--ca``, ``--cert`` and ``--cert-key``."""
    options = (
        _file_option("--key-file", None, "File with the API key on one line. Default: the variable JACKFIELD_API_KEY."),
        _file_option(
            "--ca",
            "JACKFIELD_CA",
            "PEM file with the authority of an https:// server's certificate. Default: the variable JACKFIELD_CA, or"
            " the system's authorities.",
        ),
        _file_option(
            "--cert",
            "JACKFIELD_CERT",
            "PEM file with the certificate that is shown to an https:// server that asks for one, and its key, unless"
            " --cert-key says where that is. Default: the variable JACKFIELD_CERT.",
        ),
        _file_option(
            "--cert-key",
            "JACKFIELD_CERT_KEY",
            "PEM file with the key of --cert, which nobody else may read. Default: the variable JACKFIELD_CERT_KEY.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def _file_option(name: str, variable: str | None, help_text: str) -> Callable[[Command], Command]:
    """An option that names a file that is there."""
    kind = click.Path(path_type=Path, dir_okay=False, exists=True, readable=True)
    return click.option(name, type=kind, envvar=variable, metavar="FILE", help=help_text)


def _server(url: str, given: Credentials) -> Server:
    from jackfield.client.connection import ApiError, base_url
    from jackfield.client.keys import api_key
    from jackfield.client.trust import protection

    try:
        base = base_url(url)
        if not base.startswith("https:") and _was_typed("cert"):
            raise ApiError(f"--cert is of no use at {base}: only https:// servers are shown a certificate")
        return Server(base, api_key(given["key_file"]), protection(given["ca"], given["cert"], given["cert_key"]))
    except ApiError as error:
        raise click.UsageError(error.message) from error


def _was_typed(name: str) -> bool:
    """Whether the option *name* is on the command line, and not only in the environment, where it is for any server."""
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE
