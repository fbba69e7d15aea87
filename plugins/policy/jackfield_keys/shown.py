"""Keys as commands show them."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

import click
import msgspec

if TYPE_CHECKING:
    from datetime import datetime

    from jackfield.ports.key_issuer import IssuedKey
    from jackfield_keys.records import KeyRecord


def show_new(key: str, record: KeyRecord, *, as_json: bool) -> None:
    """Print a *key* that was just made: it alone to standard output, what it may to standard error."""
    if as_json:
        click.echo(msgspec.json.encode({**msgspec.structs.asdict(record.issued()), "key": key}).decode())
        return
    click.echo(f"Key {rights(record)}.", err=True)
    click.echo("Keep it: it is not shown again.", err=True)
    click.echo(key)


def rights(record: KeyRecord) -> str:
    """What a key may, in one sentence."""
    if record.models is not None:
        models = f"the models {', '.join(record.models)}" if record.models else "no models of its own"
    else:
        models = "the models of its roles" if record.roles else "all models"
    may = ", ".join((*record.scopes, *(f"what the role {role} may" for role in record.roles)))
    ends = "does not expire" if record.expires is None else f"expires {exactly(record.expires)}"
    rank = f"; priority {record.priority}" if record.priority else ""
    return f"{record.name} ({record.fingerprint}): {may} with {models}{rank}; {ends}"


def models_of(key: IssuedKey) -> str:
    """Which models a key may use, for a column."""
    if key.models is None:
        return "its roles'" if key.roles else "all"
    return " ".join(key.models) or "-"


def day(moment: datetime | None) -> str:
    """The day of *moment*, in UTC."""
    return "-" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d")


def exactly(moment: datetime | None) -> str:
    """*moment* to the minute, in UTC."""
    return "-" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
