"""``jackfield keys``: list, show, block, unblock, rotate, revoke, import; ``rights`` has create and update."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from jackfield.ports.key_issuer import KeyChange
from jackfield_keys.changes import called
from jackfield_keys.durations import duration
from jackfield_keys.edit import KeyEditor, KeyFile
from jackfield_keys.rights import as_json_option, create, expires_option, update
from jackfield_keys.shown import day, exactly, models_of, show_new

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import timedelta

    from jackfield.ports.key_issuer import IssuedKey
    from jackfield_keys.records import KeyRecord


def keys_command(name: str, shown: str, editor: Callable[[], KeyEditor]) -> click.Group:
    """The group of commands for one instance of the plugin.

    Parameters:
        name: What it is called.
        shown: What messages call the configured key file.
        editor: Makes what changes the configured keys.
    """

    @click.group(name)
    @click.option(
        "--file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help=f"A key file. Default: {shown}, or the policy store where one is enabled.",
    )
    @click.pass_context
    def group(ctx: click.Context, file: Path | None) -> None:
        """Make, list, change, rotate and revoke API keys. A running server takes changes up within a second."""
        ctx.obj = editor() if file is None else KeyFile(file.expanduser().absolute(), str(file))

    for command in (create, list_, show, update, block, unblock, rotate, revoke, import_):
        group.add_command(command)
    return group


@click.command("list")
@as_json_option
@click.pass_obj
def list_(keys: KeyEditor, *, as_json: bool) -> None:
    """List all keys, also those that are refused.

    Neither keys nor digests are shown; KEY is a fingerprint, as in the server's log.

    \b
    Examples:
      jackfield keys list
      jackfield keys list --json
    """  # noqa: D301  \b is click's mark against wrapping
    rows = _issued(keys, keys.records())
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(rows), indent=2))
        return
    if not rows:
        click.echo("There are no keys.")
        return
    header = ("NAME", "KEY", "STATE", "OWNER", "SCOPES", "MODELS", "PRIORITY", "CREATED", "EXPIRES", "USED")
    cells = [
        (
            row.name,
            row.fingerprint,
            row.state if row.state != "rotated" else f"until {day(row.revoked)}",
            row.owner or "-",
            " ".join((*row.scopes, *(f"role:{role}" for role in row.roles))),
            models_of(row),
            str(row.priority),
            day(row.created),
            day(row.expires),
            day(row.last_used),
        )
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    for number, line in enumerate((header, *cells)):
        text = "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        click.echo(click.style(text, bold=number == 0))


@click.command("show")
@click.argument("key")
@as_json_option
@click.pass_obj
def show(keys: KeyEditor, key: str, *, as_json: bool) -> None:
    """Show all that is known of a key but the key itself.

    KEY is a name, a fingerprint, or the first eight characters of the key.

    \b
    Examples:
      jackfield keys show laptop
      jackfield keys show jf_4Fq0Z
    """  # noqa: D301  \b is click's mark against wrapping
    rows = _issued(keys, called(key, keys.records()))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(rows), indent=2))
        return
    for number, row in enumerate(rows):
        if number:
            click.echo()
        for field, value in msgspec.structs.asdict(row).items():
            if value not in ((), "", None):
                click.echo(f"{field + ':':<13}{_said(value)}")


@click.command("block")
@click.argument("key")
@as_json_option
@click.pass_obj
def block(keys: KeyEditor, key: str, *, as_json: bool) -> None:
    """Refuse a key until it is unblocked.

    KEY is a name, a fingerprint, or the first eight characters of the key.

    \b
    Examples:
      jackfield keys block laptop
    """  # noqa: D301  \b is click's mark against wrapping
    _tell(keys.alter(key, KeyChange(blocked=True)), "is blocked; running servers refuse it", as_json=as_json)


@click.command("unblock")
@click.argument("key")
@as_json_option
@click.pass_obj
def unblock(keys: KeyEditor, key: str, *, as_json: bool) -> None:
    """Let a blocked key be good again.

    KEY is a name, a fingerprint, or the first eight characters of the key.

    \b
    Examples:
      jackfield keys unblock laptop
    """  # noqa: D301  \b is click's mark against wrapping
    _tell(keys.alter(key, KeyChange(blocked=False)), "is not blocked; running servers know it", as_json=as_json)


@click.command("revoke")
@click.argument("key")
@as_json_option
@click.pass_obj
def revoke(keys: KeyEditor, key: str, *, as_json: bool) -> None:
    """Refuse a key from now on and for ever.

    KEY is a name, a fingerprint, or the first eight characters of the key.

    \b
    Examples:
      jackfield keys revoke laptop
      jackfield keys revoke 3fa97c
    """  # noqa: D301  \b is click's mark against wrapping
    records = keys.revoke(key)
    if not records and not as_json:
        click.echo(f"{key} was revoked before")
    _tell(records, "is revoked; running servers refuse it", as_json=as_json)


@click.command("rotate")
@click.argument("key")
@click.option(
    "--grace",
    callback=duration,
    default="0s",
    metavar="TIME",
    help="How long the old key stays good: 15m, 24h, 7d. Default: not at all.",
)
@expires_option
@as_json_option
@click.pass_obj
def rotate(keys: KeyEditor, key: str, grace: timedelta, expires: datetime | None, *, as_json: bool) -> None:
    """Replace a key by a new one, and print that.

    KEY is a name, a fingerprint, or the first eight characters of the key. The new key has the same name, owner and
    rights.

    Where the old key had an expiry, the new one lives as long as that was to, unless --expires is given.

    \b
    Examples:
      jackfield keys rotate ci --grace 24h
      jackfield keys rotate laptop --expires 90d
    """  # noqa: D301  \b is click's mark against wrapping
    try:
        new = keys.rotate(key, grace, expires)
    except OverflowError as error:
        raise click.UsageError("--grace or the new expiry lies too far ahead") from error
    if not as_json:
        until = f"good until {exactly(new.old.revoked)}" if grace else "revoked"
        click.echo(f"The old key {new.old.fingerprint} is {until}.", err=True)
    show_new(new.key, new.record, as_json=as_json)


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_obj
def import_(keys: KeyEditor, file: Path) -> None:
    """Take over the keys of a key file, also those that are refused.

    Keys that are there already stay as they are.

    \b
    Examples:
      jackfield keys import keys.toml
    """  # noqa: D301  \b is click's mark against wrapping
    foreign = KeyFile(file.expanduser().absolute(), str(file)).records()
    taken = keys.take_over(foreign)
    click.echo(f"{len(taken)} of {len(foreign)} keys were taken over; the others were there already")


def _issued(keys: KeyEditor, records: Sequence[KeyRecord]) -> list[IssuedKey]:
    used: Mapping[str, float] = keys.last_used()
    return [
        record.issued(datetime.fromtimestamp(used[record.fingerprint], UTC) if record.fingerprint in used else None)
        for record in records
    ]


def _said(value: object) -> str:
    if isinstance(value, datetime):
        return exactly(value)
    return " ".join(value) if isinstance(value, tuple) else str(value)


def _tell(records: Sequence[KeyRecord], what: str, *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode([record.issued() for record in records]).decode())
        return
    for record in records:
        click.echo(f"{record.name} ({record.fingerprint}) {what} within a second")
