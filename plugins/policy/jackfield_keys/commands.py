"""``jackfield keys``: create, list, revoke, rotate."""

from __future__ import annotations

import difflib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from jackfield.ports.identity import ADMIN, ALL, SCOPE, SCOPES, SLOTS, USUAL_SCOPES
from jackfield.types import PRIORITY_MAX
from jackfield_keys.durations import duration, expiry
from jackfield_keys.edit import Grant, KeyFile
from jackfield_keys.records import NAME

if TYPE_CHECKING:
    from datetime import timedelta

    from jackfield_keys.records import KeyRecord


def keys_command(name: str, path: Path, shown: str) -> click.Group:
    """The group of commands for one instance of the plugin.

    Parameters:
        name: What it is called.
        path: The configured key file.
        shown: What messages call it.
    """

    @click.group(name)
    @click.option("--file", type=click.Path(path_type=Path), metavar="FILE", help=f"The key file. Default: {shown}.")
    @click.pass_context
    def group(ctx: click.Context, file: Path | None) -> None:
        """Make, list, revoke and rotate API keys. A running server takes changes up within a second."""
        ctx.obj = KeyFile(path, shown) if file is None else KeyFile(file.expanduser().absolute(), str(file))

    for command in (create, list_, revoke, rotate):
        group.add_command(command)
    return group


_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
_expires = click.option(
    "--expires", callback=expiry, metavar="TIME", help="When it ends: 30d, 12h, or a date such as 2027-01-31."
)


@click.command("create")
@click.argument("name")
@click.option("--owner", default="", metavar="TEXT", help="Who answers for it: a person, a team, an address.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    metavar="SCOPE",
    help=f"What it may do; repeatable. Known: {', '.join(SCOPES)}; {ALL} is all."
    f" Default: all known ones but {SLOTS} and {ADMIN}.",
)
@click.option("--model", "models", multiple=True, metavar="MODEL", help="A model it may use; repeatable. Default: all.")
@click.option(
    "--priority",
    type=click.IntRange(-PRIORITY_MAX, PRIORITY_MAX),
    default=0,
    metavar="N",
    help="The most urgent priority that its requests may ask for; lower goes first, and those that ask for none have 0,"
    " or this if it is more. Default: 0.",
)
@_expires
@_json
@click.pass_obj
def create(  # noqa: PLR0913 - one parameter per option
    file: KeyFile,
    name: str,
    owner: str,
    scopes: tuple[str, ...],
    models: tuple[str, ...],
    priority: int,
    expires: datetime | None,
    *,
    as_json: bool,
) -> None:
    """Make a key and print it, this once.

    The key alone goes to standard output, everything else to standard error.

    \b
    Examples:
      jackfield keys create laptop
      KEY=$(jackfield keys create ci --owner build-team --expires 30d)
      jackfield keys create search --scope embed --scope models:read --model small-embedder
      jackfield keys create nightly --priority 10
    """  # noqa: D301  \b is click's mark against wrapping
    _check_name(name)
    _check_scopes(scopes)
    grant = Grant(name, owner, _distinct(scopes) or USUAL_SCOPES, _distinct(models) or None, expires, priority)
    try:
        key, record = file.create(grant)
    except ValueError as error:  # the record's own check
        raise click.UsageError(str(error)) from error
    _show_new(key, record, as_json=as_json)


@click.command("list")
@_json
@click.pass_obj
def list_(file: KeyFile, *, as_json: bool) -> None:
    """List all keys, also those that are refused.

    Neither keys nor digests are shown; KEY is a fingerprint, as in the server's log.

    \b
    Examples:
      jackfield keys list
      jackfield keys list --json
    """  # noqa: D301  \b is click's mark against wrapping
    rows = [record.issued() for record in file.records()]
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(rows), indent=2))
        return
    if not rows:
        click.echo("There are no keys.")
        return
    header = ("NAME", "KEY", "STATE", "OWNER", "SCOPES", "MODELS", "PRIORITY", "CREATED", "EXPIRES")
    cells = [
        (
            row.name,
            row.fingerprint,
            row.state if row.state != "rotated" else f"until {_day(row.revoked)}",
            row.owner or "-",
            " ".join(row.scopes),
            "all" if row.models is None else " ".join(row.models),
            str(row.priority),
            _day(row.created),
            _day(row.expires),
        )
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    for number, line in enumerate((header, *cells)):
        text = "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        click.echo(click.style(text, bold=number == 0))


@click.command("revoke")
@click.argument("key")
@_json
@click.pass_obj
def revoke(file: KeyFile, key: str, *, as_json: bool) -> None:
    """Refuse a key from now on and for ever.

    KEY is a name or a fingerprint.

    \b
    Examples:
      jackfield keys revoke laptop
      jackfield keys revoke 3fa97c
    """  # noqa: D301  \b is click's mark against wrapping
    records = file.revoke(key)
    if as_json:
        click.echo(msgspec.json.encode([record.issued() for record in records]).decode())
    elif not records:
        click.echo(f"{key} was revoked before")
    for record in records if not as_json else ():
        click.echo(f"{record.name} ({record.fingerprint}) is revoked; running servers refuse it within a second")


@click.command("rotate")
@click.argument("key")
@click.option(
    "--grace",
    callback=duration,
    default="0s",
    metavar="TIME",
    help="How long the old key stays good: 15m, 24h, 7d. Default: not at all.",
)
@_expires
@_json
@click.pass_obj
def rotate(file: KeyFile, key: str, grace: timedelta, expires: datetime | None, *, as_json: bool) -> None:
    """Replace a key by a new one, and print that.

    KEY is a name or a fingerprint. The new key has the same name, owner and rights.

    Where the old key had an expiry, the new one lives as long as that was to, unless --expires is given.

    \b
    Examples:
      jackfield keys rotate ci --grace 24h
      jackfield keys rotate laptop --expires 90d
    """  # noqa: D301  \b is click's mark against wrapping
    try:
        new, record, old = file.rotate(key, grace, expires)
    except OverflowError as error:
        raise click.UsageError("--grace or the new expiry lies too far ahead") from error
    if not as_json:
        until = f"good until {_moment(old.revoked)}" if grace else "revoked"
        click.echo(f"The old key {old.fingerprint} is {until}.", err=True)
    _show_new(new, record, as_json=as_json)


def _show_new(key: str, record: KeyRecord, *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode({**msgspec.structs.asdict(record.issued()), "key": key}).decode())
        return
    models = "all models" if record.models is None else f"the models {', '.join(record.models)}"
    ends = "does not expire" if record.expires is None else f"expires {_moment(record.expires)}"
    rank = f"; priority {record.priority}" if record.priority else ""
    rights = f"{', '.join(record.scopes)} with {models}{rank}"
    click.echo(f"Key {record.name} ({record.fingerprint}): {rights}; {ends}.", err=True)
    click.echo("Keep it: it is not shown again.", err=True)
    click.echo(key)


def _distinct(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _check_name(name: str) -> None:
    if not NAME.match(name):
        raise click.UsageError("NAME must be letters, digits and . _ @ - (at most 64), such as laptop or ci@build")


def _check_scopes(scopes: tuple[str, ...]) -> None:
    for scope in scopes:
        if not SCOPE.match(scope):
            raise click.UsageError(f"--scope {scope}: must be a word such as generate or models:read, or {ALL}")
        if scope not in SCOPES and scope != ALL:
            close = difflib.get_close_matches(scope, SCOPES, n=1)
            hint = f"; did you mean {close[0]}?" if close else f"; known: {', '.join(SCOPES)}"
            click.echo(f"Warning: no route of Jackfield's own needs the scope {scope}{hint}", err=True)


def _day(moment: datetime | None) -> str:
    return "-" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d")


def _moment(moment: datetime | None) -> str:
    return "-" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
