"""Errors in Anthropic's shape."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.errors import ContextLengthExceeded, JackfieldError, LimitExceeded, UnsupportedField, http
from jackfield.frontends.wording import with_field
from jackfield.ports.frontend import ErrorPayload
from jackfield_anthropic.headers import limit_headers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.error_spec import ErrorSpec

REQUEST_ID_HEADER: Final = "request-id"
"""Where Anthropic's clients look for the request's id."""

_BY_STATUS: Final[Mapping[int, str]] = {
    HTTPStatus.NOT_FOUND: "not_found_error",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "request_too_large",
}
"""What Anthropic calls by a name of its own, and OpenAI ``invalid_request_error``."""

_BY_TYPE: Final[Mapping[str, str]] = {"insufficient_quota": "rate_limit_error", "server_error": "api_error"}
"""Families of another name; the others are called alike."""


class ErrorFacts(msgspec.Struct, frozen=True):
    """``error.details``: what a client can go by."""

    error_code: str
    unsupported: tuple[str, ...]


class ErrorDetail(msgspec.Struct, frozen=True, omit_defaults=True):
    """``error``."""

    type: str
    message: str
    details: ErrorFacts | None = None


class ErrorBody(msgspec.Struct, frozen=True, tag_field="type", tag="error"):
    """An error, as the body of an answer and as an event."""

    error: ErrorDetail
    request_id: str


def error_body(error: JackfieldError, request_id: str) -> bytes:
    """The object that Anthropic's clients read."""
    return msgspec.json.encode(ErrorBody(_detail(error), request_id))


def error_payload(error: JackfieldError, request_id: str) -> ErrorPayload:
    """*error* as an HTTP answer."""
    limits = limit_headers(error.standings) if isinstance(error, LimitExceeded) else {}
    return ErrorPayload(
        status=http(error).status, body=error_body(error, request_id), headers={REQUEST_ID_HEADER: request_id, **limits}
    )


_NO_THREADS: Final = ErrorFacts("thread_unsupported_request", ("thread",))
"""Conversations are not kept: Anthropic's client, whose runner of tools wants that, then sends them whole."""


def _detail(error: JackfieldError) -> ErrorDetail:
    threaded = isinstance(error, UnsupportedField) and error.param == "thread"
    return ErrorDetail(_kind(http(error)), _message(error), _NO_THREADS if threaded else None)


def _message(error: JackfieldError) -> str:
    """What went wrong. That a prompt is too long is told in Anthropic's words: agents read them, and shorten theirs."""
    if not isinstance(error, ContextLengthExceeded):
        return with_field(error)
    if error.sizes is None:
        return f"prompt is too long: {error.message}"
    prompt, context = error.sizes
    return f"prompt is too long: {prompt} tokens > {context - 1} maximum"  # one is left for the answer


def _kind(spec: ErrorSpec) -> str:
    return _BY_STATUS.get(spec.status) or _BY_TYPE.get(spec.type, spec.type)
