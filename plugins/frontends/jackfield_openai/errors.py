"""Errors in OpenAI's shape."""

from __future__ import annotations

import msgspec

from jackfield.errors import JackfieldError, http
from jackfield.ports.frontend import ErrorPayload


def error_body(error: JackfieldError) -> bytes:
    """The object that OpenAI's clients read: all of ``message``, ``type``, ``param``, ``code``."""
    spec = http(error)
    content = {"message": error.message, "type": spec.type, "param": error.param, "code": spec.code}
    return msgspec.json.encode({"error": content})


def error_payload(error: JackfieldError) -> ErrorPayload:
    """*error* as an HTTP answer."""
    return ErrorPayload(status=http(error).status, body=error_body(error))
