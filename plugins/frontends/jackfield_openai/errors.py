"""Errors in OpenAI's shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from jackfield.errors import AtCapacity, JackfieldError, LimitExceeded, http
from jackfield.ports.frontend import ErrorPayload
from jackfield_openai.headers import limit_headers, room_headers

if TYPE_CHECKING:
    from collections.abc import Mapping


def error_body(error: JackfieldError) -> bytes:
    """The object that OpenAI's clients read: all of ``message``, ``type``, ``param``, ``code``."""
    spec = http(error)
    content = {"message": error.message, "type": spec.type, "param": error.param, "code": spec.code}
    return msgspec.json.encode({"error": content})


def error_payload(error: JackfieldError) -> ErrorPayload:
    """*error* as an HTTP answer."""
    return ErrorPayload(status=http(error).status, body=error_body(error), headers=_headers(error))


def _headers(error: JackfieldError) -> Mapping[str, str]:
    """What there is not enough of."""
    if isinstance(error, LimitExceeded):
        return limit_headers(error.standings)
    room = error.room if isinstance(error, AtCapacity) else None
    return {} if room is None else room_headers(room)
