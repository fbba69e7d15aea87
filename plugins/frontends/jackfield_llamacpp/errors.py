"""Errors in llama-server's shape (``format_error_response`` of its ``server-common.cpp``)."""

from __future__ import annotations

from typing import Final

import msgspec

from jackfield.errors import ContextLengthExceeded, JackfieldError, http
from jackfield.ports.frontend import ErrorPayload

_TYPES: Final = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    500: "server_error",
    501: "not_supported_error",
    503: "unavailable_error",
}
"""llama-server's types by status; those that it does not know have the type of our own table."""


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """What went wrong."""

    code: int
    message: str
    type: str
    n_prompt_tokens: int | None = None
    """Of a prompt that is too long, where it was counted."""
    n_ctx: int | None = None
    """What it was too long for, in tokens."""


class ErrorBody(msgspec.Struct, frozen=True):
    """Body of every error."""

    error: Problem


def error_body(error: JackfieldError) -> bytes:
    """``{"error": {code, message, type}}``; ``code`` is the status."""
    spec = http(error)
    if isinstance(error, ContextLengthExceeded):
        problem = Problem(spec.status, error.message, "exceed_context_size_error", *(error.sizes or ()))
    else:
        problem = Problem(spec.status, error.message, _TYPES.get(spec.status, spec.type))
    return msgspec.json.encode(ErrorBody(problem))


def error_payload(error: JackfieldError) -> ErrorPayload:
    """*error* as an HTTP answer."""
    return ErrorPayload(status=http(error).status, body=error_body(error))
