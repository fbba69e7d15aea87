"""A schema's text: JSON read strictly, and places in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NoReturn, TypeAlias
from urllib.parse import unquote

from jackfield_llguidance.errors import refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"

_DIGITS_MAX: Final = 400
"""Of one number."""


class InexactNumber(float):
    """A number that a float cannot hold; it may stand in annotations, and nowhere else."""


class Document:
    """A schema and what its references name.

    Parameters:
        text: JSON.
        param: The constraint's, for errors.
        where: Where in that it stands, where it is not the whole.

    Raises:
        InvalidRequest: The text is not JSON, too deep, or has a name twice.
    """

    def __init__(self, text: str, param: str, where: str = "") -> None:
        self._param = param
        self._where = where
        self.root = self._read(text)

    def refused(self, keyword: str, pointer: str, why: str) -> Exception:
        """The error for a place in this schema."""
        return refused(self._param, keyword, pointer, why, self._where)

    def resolve(self, reference: str, pointer: str) -> tuple[str, JsonValue]:
        """Where *reference*, which stands at *pointer*, leads: the canonical pointer and what is there.

        Raises:
            InvalidRequest: It leads out of the document, or nowhere.
        """
        if reference != "#" and not reference.startswith("#/"):
            raise self.refused("$ref", pointer, "only references into the schema itself, #/…, can be followed")
        place, found = "", self.root
        for token in unquote(reference).split("/")[1:]:
            name = token.replace("~1", "/").replace("~0", "~")
            try:
                found = _member(found, name)
            except (LookupError, ValueError):
                raise self.refused("$ref", pointer, "there is nothing at that place") from None
            place = below(place, name)
        return place, found

    def _read(self, text: str) -> JsonValue:
        try:
            text.encode()
            value: JsonValue = json.loads(
                text,
                object_pairs_hook=_once,
                parse_float=_float,
                parse_int=_int,
                parse_constant=_no_constant,
            )
            json.dumps(value, ensure_ascii=False).encode()  # an escape may have been half of a character
        except RecursionError:
            raise self.refused("", "", "it is too deeply nested") from None
        except ValueError as error:
            raise self.refused("", "", f"it is not valid JSON ({_reason(error)})") from None
        return value


def below(pointer: str, *names: str | int) -> str:
    """The JSON pointer of a member of what *pointer* points at."""
    return pointer + "".join("/" + str(name).replace("~", "~0").replace("/", "~1") for name in names)


def _member(value: JsonValue, name: str) -> JsonValue:
    found: JsonValue
    if isinstance(value, dict):
        found = value[name]
    elif isinstance(value, list) and name.isascii() and name.isdigit():
        found = value[int(name)]
    else:
        raise KeyError(name)
    return found


def _once(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("an object has a name twice")
    return members


def _float(text: str) -> float:
    if len(text) > _DIGITS_MAX:
        return InexactNumber("nan")
    value = float(text)
    # compared as decimals: 0.1 is meant, not its neighbour
    return value if _same(text, value) else InexactNumber(value)


def _same(text: str, value: float) -> bool:
    from decimal import Decimal

    return Decimal(text) == Decimal(repr(value))


def _int(text: str) -> int | float:
    return InexactNumber("nan") if len(text) > _DIGITS_MAX else int(text)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _reason(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg}, line {error.lineno}, column {error.colno}"
    return "a lone surrogate" if isinstance(error, UnicodeError) else str(error)
