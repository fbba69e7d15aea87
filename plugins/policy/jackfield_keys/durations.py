"""Times on the command line: ``30d``, ``12h``, ``2027-01-31``. Both functions are callbacks of click options."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from click import Context, Parameter

_DURATION: Final = re.compile(r"(\d{1,9})([smhdw])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def duration(_ctx: Context, _param: Parameter, text: str) -> timedelta:
    """``90s``, ``15m``, ``12h``, ``30d`` or ``8w``; anything else is a mistake that names the option."""
    found = _duration(text)
    if found is None:
        raise click.BadParameter(f"{text!r} is not a duration such as 90s, 15m, 12h, 30d or 8w")
    return found


def expiry(_ctx: Context, _param: Parameter, text: str | None) -> datetime | None:
    """A duration from now, or a day or time in ISO 8601 (in UTC, if it names no zone); it must lie ahead."""
    if text is None:
        return None
    moment = _moment(text)
    if moment is None:
        raise click.BadParameter(f"{text!r} is neither a duration (12h, 30d) nor a date (2027-01-31T18:00Z)")
    if moment <= datetime.now(UTC):
        raise click.BadParameter(f"{text!r} is not in the future")
    return moment


def _duration(text: str) -> timedelta | None:
    match = _DURATION.fullmatch(text)
    try:
        return timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else None
    except OverflowError:
        return None


def _moment(text: str) -> datetime | None:
    ahead = _duration(text)
    try:
        if ahead is not None:
            moment = datetime.now(UTC) + ahead
        else:
            moment = datetime.fromisoformat(text)
            moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return moment.replace(microsecond=0)
