"""Errors in OpenAI's shape."""

from __future__ import annotations

import msgspec

from jackfield.errors import AtCapacity, JackfieldError, http
from jackfield.ports.frontend import ErrorPayload
from jackfield_openai.headers import room_headers


def error_body(error: JackfieldError) -> bytes:
    """The object that OpenAI's clients read: all of ``message``, ``type``, ``param``, ``code``."""
    spec = http(error)
    content = {"message": error.message, "type": spec.type, "param": error.param, "code": spec.code}
    return msgspec.json.encode({"error": content})


def error_payload(error: JackfieldError) -> ErrorPayload:
    """*error* as an HTTP answer."""
    room = error.room if isinstance(error, AtCapacity) else None
    headers = {} if room is None else room_headers(room)
    return ErrorPayload(status=http(error).status, body=error_body(error), headers=headers)
