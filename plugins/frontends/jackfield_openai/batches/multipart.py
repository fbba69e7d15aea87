"""Forms with files (``multipart/form-data``, RFC 7578), of a body that is in memory."""

from __future__ import annotations

from email.message import Message
from typing import Final

import msgspec

from jackfield.errors import InvalidRequest, MalformedBody

PARTS_MAX: Final = 16
_HEADERS_MAX: Final = 4096
_BOUNDARY_MAX: Final = 70
"""RFC 2046."""
_END: Final = b"\r\n\r\n"


class Part(msgspec.Struct, frozen=True):
    """One field of a form."""

    content: bytes
    filename: str | None


def read_form(body: bytes, content_type: str) -> dict[str, Part]:
    """The fields by name.

    Parameters:
        body: As it came.
        content_type: The header.

    Raises:
        InvalidRequest: It is no such form, or too many fields.
    """
    boundary = _boundary(content_type)
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary, PARTS_MAX + 2)
    if len(pieces) > PARTS_MAX + 2 or len(pieces) < 2 or not pieces[-1].startswith(b"--"):  # noqa: PLR2004 -- the end
        raise MalformedBody("the body is not a whole form, or has too many fields")
    fields: dict[str, Part] = {}
    for piece in pieces[1:-1]:
        name, part = _part(piece)
        if name in fields:
            raise InvalidRequest("a field of the form is given twice")
        fields[name] = part
    return fields


def _boundary(content_type: str) -> bytes:
    header = _header("content-type", content_type)
    boundary = header.get_param("boundary", header="content-type")
    if header.get_content_type() != "multipart/form-data" or not isinstance(boundary, str):
        raise InvalidRequest("the body must be multipart/form-data", param="file")
    if not (0 < len(boundary) <= _BOUNDARY_MAX and boundary.isascii()):
        raise InvalidRequest("the boundary of the form cannot be used", param="file")
    return boundary.encode()


def _part(piece: bytes) -> tuple[str, Part]:
    end = piece.find(_END, 0, _HEADERS_MAX)
    if end < 0:
        raise MalformedBody("a field of the form has no headers")
    for line in piece[:end].split(b"\r\n"):
        key, _, value = line.partition(b":")
        if key.strip().lower() == b"content-disposition":
            header = _header("content-disposition", value.decode(errors="replace"))
            name = header.get_param("name", header="content-disposition")
            if isinstance(name, str):
                return name, Part(piece[end + len(_END) :], header.get_filename())
    raise MalformedBody("a field of the form has no name")


def _header(name: str, value: str) -> Message:
    message = Message()
    message[name] = value.replace("\r", " ").replace("\n", " ").strip()
    return message
