"""``jackfield cache``: show, clear, warm."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from jackfield.cli.complete import complete_served_models
from jackfield.cli.errors import EXIT_FAILED, EXIT_OK
from jackfield.cli.options import found_server_options, json_option
from jackfield.cli.servers import choose, server_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.cli.cache_answers import WorkerCache
    from jackfield.cli.options import Server


@click.group("cache")
def command() -> None:
    """See, clear and fill the prefix caches of a running server: prompts that need not be computed again.

    What is shown names no prompt and nobody who asked: those who share prefixes are told apart by a few digits.

    \b
    Examples:
      jackfield cache show
      jackfield cache clear my-model
      jackfield cache warm my-model --system "You are a helpful assistant."
    """  # noqa: D301  \b is click's mark against wrapping


@command.command()
@click.argument("model", required=False, shell_complete=complete_served_models)
@click.option("--scopes", is_flag=True, help="Also those who share prefixes: keys, or salts of requests.")
@server_option
@json_option
def show(model: str | None, server: str | None, *, scopes: bool, as_json: bool) -> int:
    """Show the prefix cache of MODEL, or of all models.

    RUNNING and IDLE are tokens on the device: those that a running answer reads, and those that nobody reads now. HITS
    are answers that found at least a part of their prompt, SAVED is what was not computed for them. Counters begin
    with the worker. --json also lists the scopes.

    \b
    Examples:
      jackfield cache show
      jackfield cache show my-model --scopes
      jackfield cache show --json --server 127.0.0.1:8080
    """  # noqa: D301  \b is click's mark against wrapping
    from jackfield.cli.cache_tables import print_caches

    caches = _asked(model, server, clear=False)
    if as_json:
        _print_json(caches)
    else:
        print_caches(caches, scopes=scopes)
    return EXIT_FAILED if any(each.silent for each in caches) else EXIT_OK


@command.command()
@click.argument("model", required=False, shell_complete=complete_served_models)
@server_option
@json_option
def clear(model: str | None, server: str | None, *, as_json: bool) -> int:
    """Forget the idle prefixes of MODEL, or of all models, on the device and in all stores.

    Prefixes that running answers read stay. Everything still works afterwards; prompts are computed anew once.

    \b
    Examples:
      jackfield cache clear
      jackfield cache clear my-model --json
    """  # noqa: D301  \b is click's mark against wrapping
    from jackfield.cli.cache_tables import print_cleared

    caches = _asked(model, server, clear=True)
    if as_json:
        _print_json(caches)
    else:
        print_cleared(caches)
    return EXIT_FAILED if any(each.answer is None for each in caches) else EXIT_OK


@command.command()
@click.argument("model", shell_complete=complete_served_models)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, dir_okay=False), metavar="[FILE]...")
@click.option("--prompt", metavar="TEXT", help="A prompt, as a file would have it.")
@click.option("--system", metavar="TEXT", help="System prompt, before each of the others; alone it is warmed itself.")
@found_server_options
@json_option
def warm(
    model: str, files: tuple[Path, ...], prompt: str | None, system: str | None, *, server: Server, as_json: bool
) -> int:
    """Have MODEL compute prompts, so that requests that begin with them are answered sooner.

    Each FILE is the beginning of a user's message. Each prompt is sent as a chat with an answer of one token. Only
    those who share prefixes with the caller gain: by default those who use the same API key.

    \b
    Examples:
      jackfield cache warm my-model --system "You are a helpful assistant."
      jackfield cache warm my-model handbook.txt prices.txt
      jackfield cache warm my-model --key-file ~/.jackfield-key --json handbook.txt
      jackfield cache warm my-model --url https://gpu-1.internal handbook.txt
    """  # noqa: D301  \b is click's mark against wrapping
    from jackfield.cli.warming import print_warmed, prompts_of, warm_up

    prompts = prompts_of(files, prompt, system)
    warmed = warm_up(server, model, prompts, system)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(warmed), indent=2))
    else:
        print_warmed(warmed)
    return EXIT_FAILED if any(each.error for each in warmed) else EXIT_OK


def _asked(model: str | None, server: str | None, *, clear: bool) -> Sequence[WorkerCache]:
    from jackfield.channel.operator import AskCaches
    from jackfield.cli.cache_answers import ask

    with choose(server) as operator:
        return ask(operator, AskCaches(model=model or "", clear=clear))


def _print_json(caches: Sequence[WorkerCache]) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(caches), indent=2))
