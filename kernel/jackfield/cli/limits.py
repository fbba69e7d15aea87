"""``jackfield limits``: show, reset."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Final, TypedDict

import click
import msgspec

from jackfield.cli.complete import complete_served_models
from jackfield.cli.options import found_server_options, json_option
from jackfield.cli.tables import duration, print_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Unpack

    from jackfield.cli.options import Server
    from jackfield.client.limits import Limit

HEADER: Final = ("RULE", "WHOSE", "MEASURE", "WINDOW", "LEFT", "LIMIT", "WHOLE IN")


class Which(TypedDict):
    """Whose limits, as click gives it; None is anybody's."""

    rule: str | None
    key: str | None
    user: str | None
    end_user: str | None
    team: str | None
    tenant: str | None
    model: str | None


def which_options(function: Callable[..., object]) -> Callable[..., object]:
    """``--rule``, ``--key`` and others: the parameters of ``Which``."""
    for option in (
        click.option(
            "--model", metavar="NAME", shell_complete=complete_served_models, help="Only those of this model."
        ),
        click.option("--tenant", metavar="NAME", help="Only those of this tenant."),
        click.option("--team", metavar="NAME", help="Only those of this team."),
        click.option("--end-user", metavar="DIGITS", help="Only those of this end user: the digits that show prints."),
        click.option("--user", metavar="NAME", help="Only those of this user."),
        click.option(
            "--key",
            metavar="ID",
            callback=_checked_key,
            help="Only those of this key: AUTHENTICATOR/ID, such as keys/ann.",
        ),
        click.option("--rule", metavar="NAME", help="Only those of this rule."),
    ):
        function = option(function)
    return function


def some_which_options(function: Callable[..., object]) -> Callable[..., object]:
    """As ``which_options``; one of them at least, seen before any server is looked for."""

    @functools.wraps(function)
    def with_some(**options: object) -> object:
        if all(options[name] is None for name in Which.__annotations__):
            names = ", ".join(f"--{name}".replace("_", "-") for name in Which.__annotations__)
            raise click.UsageError(f"say whose counters begin anew: {names}")
        return function(**options)

    return which_options(with_some)


def _checked_key(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value is not None and not all(value.partition("/")):
        raise click.BadParameter(f"{value} is no key's id: it has its authenticator before it, such as keys/{value}")
    return value


@click.group("limits")
def command() -> None:
    """See what is left of callers' limits at a running server, and have counters begin anew.

    The server needs the plugins admin and limits; the API key needs the scope policy:read, and policy:write to reset.

    \b
    Examples:
      jackfield limits show --key-file ~/.jackfield-key
      jackfield limits reset --key keys/ann
    """  # noqa: D301  \b is click's mark against wrapping


@command.command()
@which_options
@found_server_options
@json_option
def show(*, server: Server, as_json: bool, **which: Unpack[Which]) -> None:
    """Show what is left of the limits of those who have asked for something since the gateway was started.

    The last who has asked comes first; at most 1,000 are shown. WHOLE IN says when all of a limit is there again.

    \b
    Examples:
      jackfield limits show
      jackfield limits show --team search --model my-model
      jackfield limits show --key keys/ann --json --url https://gpu-1.internal --key-file ~/.jackfield-key
    """  # noqa: D301  \b is click's mark against wrapping
    from jackfield.client.limits import limits_of

    found = asyncio.run(limits_of(*server, _only(which)))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode({"limits": found}), indent=2))
        return
    if found:
        print_table(HEADER, [_row(each) for each in found])
    else:
        click.echo("Nobody whom this is about has asked for anything since the gateway was started.", err=True)


@command.command()
@some_which_options
@found_server_options
@json_option
def reset(*, server: Server, as_json: bool, **which: Unpack[Which]) -> None:
    """Set counters to zero, as if nothing had been used yet; say whose.

    What is held now, such as requests that run, stays held. The audit record says who has done it.

    \b
    Examples:
      jackfield limits reset --key keys/ann
      jackfield limits reset --rule daily-tokens --tenant acme --json
    """  # noqa: D301  \b is click's mark against wrapping
    from jackfield.client.limits import reset_limits

    counters = asyncio.run(reset_limits(*server, _only(which)))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode({"counters": counters}), indent=2))
    else:
        click.echo(f"{counters} counters begin anew.", err=True)


def _only(which: Which) -> Mapping[str, str]:
    return {name: value for name, value in which.items() if isinstance(value, str)}


def _row(limit: Limit) -> tuple[str, ...]:
    from jackfield.client.printable import printable_line

    whose = ", ".join(f"{kind} {name}" for kind, name in limit.whose.items()) or "everybody"
    texts = (limit.rule, whose, limit.measure, limit.window or "at a time")
    return (
        *map(printable_line, texts),
        _amount(limit.remaining),
        _amount(limit.limit),
        duration(limit.reset_s) if limit.reset_s else "-",
    )


def _amount(number: float) -> str:
    """*number* without places that say nothing: ``1,000,000``, ``0.25``."""
    return f"{number:,.4f}".rstrip("0").rstrip(".")
