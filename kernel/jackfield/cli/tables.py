"""Tables and quantities as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "m"))


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print *rows* in columns under a bold *header*."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for number, row in enumerate((header, *rows)):
        line = "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        click.echo(click.style(line, bold=number == 0))


def print_facts(facts: Sequence[tuple[str, str]]) -> None:
    """Print labels and their values; empty values are left out."""
    shown = [(label, value) for label, value in facts if value]
    width = max((len(label) for label, _ in shown), default=0)
    for label, value in shown:
        click.echo(f"{label:<{width}}  {value}")


def size(count: int | None) -> str:
    """*count* bytes: ``1.2 GiB``; a dash where it is not known."""
    if count is None:
        return "-"
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:  # noqa: PLR2004  the next unit
            return f"{amount:.0f} {unit}"
        amount /= 1024
    return f"{amount:,.1f} GiB"


def duration(seconds: float | None) -> str:
    """*seconds* with its two largest units: ``3d 4h``, ``2m 5s``; a dash where it is not known."""
    if seconds is None:
        return "-"
    left = int(seconds)
    parts: list[str] = []
    for length, unit in _UNITS:
        if left >= length or parts:
            parts.append(f"{left // length}{unit}")
            left %= length
    return " ".join([*parts, f"{left}s"][:2])
