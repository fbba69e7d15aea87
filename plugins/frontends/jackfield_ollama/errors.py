"""Errors in Ollama's shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from jackfield.errors import http
from jackfield.frontends.wording import with_field
from jackfield.ports.frontend import ErrorPayload

if TYPE_CHECKING:
    from jackfield.errors import JackfieldError


class ErrorBody(msgspec.Struct, frozen=True):
    """An error, as the body of an answer and as a line of a stream."""

    error: str


def error_body(error: JackfieldError) -> bytes:
    """The object that Ollama's clients read."""
    return msgspec.json.encode(ErrorBody(with_field(error)))


def error_payload(error: JackfieldError) -> ErrorPayload:
    """*error* as an HTTP answer."""
    return ErrorPayload(status=http(error).status, body=error_body(error))
