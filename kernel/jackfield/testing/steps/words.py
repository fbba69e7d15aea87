"""How steps read their arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec
from pytest_bdd import parsers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.testing.client import JsonValue

Table: TypeAlias = "list[list[str]] | None"
"""A data table as pytest-bdd hands it over; None where the step has none."""


def _text(quoted: str) -> str:
    return quoted[1:-1]


# parse's own {} would run over closing quotes, and one step's text would match another step
_text.pattern = r'"[^"]*"'  # type: ignore[attr-defined]  # parse's protocol


def words(text: str) -> parsers.parse:
    """A step's text; ``{name:Text}`` is a quoted text and ``{name:d}`` a number."""
    return parsers.parse(text, extra_types={"Text": _text})


def fields(table: Table) -> Mapping[str, JsonValue]:
    """A table of two columns as the fields of a JSON body; a cell that is not JSON is a text."""
    return {name: _value(cell) for name, cell in table or ()}


def _value(cell: str) -> JsonValue:
    try:
        value: JsonValue = msgspec.json.decode(cell)
    except msgspec.DecodeError:
        return cell
    return value
