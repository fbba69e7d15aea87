"""Typed decoding of single values, with paths in the errors, and arrays that are counted before they are built."""

from __future__ import annotations

import itertools
import re
from typing import Annotated, Final, TypeAlias, TypeVar

import msgspec
from msgspec import Meta

from jackfield.frontends.malformed import malformed, not_of_kind

Body = TypeVar("Body")

INT32_MAX: Final = 2**31 - 1
"""Token ids and counts are 32-bit in every backend; more is a mistake."""

Token: TypeAlias = Annotated[int, Meta(ge=0, le=INT32_MAX)]

_ITEM: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|\[', re.DOTALL)
"""A string, or the beginning of an array. JSON that was found valid before has no others."""

_PIECE: Final = 16384
"""Bytes that are looked at together."""


def typed(decoder: msgspec.json.Decoder[Body], data: bytes | msgspec.Raw, path: str = "") -> Body:
    """Decode *data*.

    Parameters:
        decoder: Of the wanted type.
        data: JSON.
        path: Path of the value, for errors; empty for the body.

    Raises:
        InvalidRequest: Another type, or out of range; ``param`` is the path of what is at fault.
        MalformedBody: Not JSON, nested too deeply, or not UTF-8; or the body is no object.
    """
    try:
        return decoder.decode(data)
    except (msgspec.ValidationError, UnicodeDecodeError) as error:
        raise not_of_kind(error, path) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise malformed(error) from error


def exceeds(raw: msgspec.Raw, most: int) -> bool:
    """Whether an array holds more than *most* strings and arrays.

    Each becomes an object of its own: in a body of 16 MiB there is room for millions, which would take hundreds of
    megabytes before anybody could count them.
    """
    data = memoryview(raw)
    # to go through all texts takes ten times as long as to see that there cannot be so many
    if _at_most(data) <= most:
        return False
    found = _ITEM.finditer(data)
    return next(itertools.islice(found, most, None), None) is not None


def _at_most(data: memoryview) -> int:
    """How many strings and arrays there are if no text has a quote or a bracket."""
    quotes = brackets = 0
    for at in range(0, len(data), _PIECE):
        piece = bytes(data[at : at + _PIECE])
        quotes += piece.count(b'"')
        brackets += piece.count(b"[")
    return quotes // 2 + brackets
