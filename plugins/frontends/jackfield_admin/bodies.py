"""Bodies and queries: whatever is in them does something, or is refused by its name."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from jackfield.errors import BodyTooLarge, InvalidRequest, UnknownField
from jackfield.frontends.arrays import typed
from jackfield.frontends.exchange import read_body
from jackfield.manifest import suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

Body = TypeVar("Body", bound=msgspec.Struct)

BODY_MAX: Final = 1024 * 1024
"""Largest body in bytes: weights of ten thousand tenants take a third of it."""

_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_SHOWN: Final = 100
"""Characters of an unknown name that an error repeats."""


async def body(request: web.Request, kind: type[Body], *, optional: bool = False) -> Body:
    """The body of *request*.

    Parameters:
        request: Has it.
        kind: What it must be; an empty Struct takes nothing but an empty object.
        optional: Whether it may be left out.

    Raises:
        BodyTooLarge: It is larger than ``BODY_MAX``.
        UnknownField: It has a field that *kind* has not; ``param`` is its name.
        InvalidRequest: A field is missing or cannot be used; ``param`` is its path.
        MalformedBody: It is no JSON object.
    """
    data = await read_body(request)
    if optional and not data:
        data = b"{}"
    if len(data) > BODY_MAX:
        raise BodyTooLarge(f"the body is larger than {BODY_MAX} bytes")
    given = typed(_FIELDS, data)
    fields = msgspec.structs.fields(kind)
    _refuse_unknown(given, tuple(each.encode_name for each in fields))
    for each in fields:
        if each.required and each.encode_name not in given:
            raise InvalidRequest(f"{each.encode_name} is missing", param=each.encode_name)
    decoder: msgspec.json.Decoder[Body] = _decoder(kind)
    return typed(decoder, data)


def query(request: web.Request, *known: str) -> Mapping[str, str]:
    """What the URL of *request* says after its question mark.

    Raises:
        UnknownField: It names something that is not *known*.
        InvalidRequest: It names something twice.
    """
    _refuse_unknown(request.query, known)
    for name in known:
        if len(request.query.getall(name, [])) > 1:
            raise InvalidRequest(f"{name} is there twice", param=name)
    return request.query


def switch(given: Mapping[str, str], name: str) -> bool:
    """Whether *name* is ``true`` among what a URL has *given*; false where it is not there."""
    text = given.get(name, "false")
    if text not in {"true", "false"}:
        raise InvalidRequest(f"{name} must be true or false", param=name)
    return text == "true"


def _refuse_unknown(given: Mapping[str, object], known: tuple[str, ...]) -> None:
    for name in given:
        if name not in known:
            shown = name[:_SHOWN]
            raise UnknownField(f"unknown field {shown}{suggestion(shown, known)}", param=shown)


@functools.cache
def _decoder(kind: type[Body]) -> msgspec.json.Decoder[Body]:
    return msgspec.json.Decoder(kind)
