"""Errors as responses: the frontend's body, the kernel's headers."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web

from jackfield.errors import (
    AtCapacity,
    BodyTooLarge,
    ClientError,
    CredentialMissing,
    InsufficientScope,
    InternalError,
    InvalidRequest,
    JackfieldError,
    MalformedBody,
    MethodNotAllowed,
    RouteNotFound,
    Unauthenticated,
    http,
)
from jackfield.ports.frontend import ErrorPayload

if TYPE_CHECKING:
    from jackfield.ports.frontend import Frontend

_PATH_SHOWN: Final = 200
"""Characters of an unknown path that an error repeats."""


def render(error: JackfieldError, frontend: Frontend | None, request_id: str, *, overload_status: int) -> web.Response:
    """*error* as a response in *frontend*'s shape, with the headers that clients' retry logic reads.

    ``Retry-After`` is in whole seconds; openai-python prefers ``retry-after-ms`` and obeys ``x-should-retry``.

    Parameters:
        error: What is wrong.
        frontend: Whose dialect it takes; None takes a plain one.
        request_id: For ``x-request-id``.
        overload_status: ``kernel.overload_status``, for refusals for lack of room.
    """
    if isinstance(error, AtCapacity):
        error.status = overload_status
    payload = _payload(error, frontend, request_id)
    # a dialect that knows nothing of the configured status still answers it
    status = http(error).status if isinstance(error, AtCapacity) else payload.status
    response = web.Response(
        status=status, body=payload.body, headers=dict(payload.headers), content_type=payload.content_type
    )
    headers = response.headers
    headers["x-request-id"] = request_id
    if error.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after))
        headers["retry-after-ms"] = str(math.ceil(error.retry_after * 1000))
    if isinstance(error, Unauthenticated | InsufficientScope):
        headers["WWW-Authenticate"] = _challenge(error)
    if not http(error).retriable:
        headers["x-should-retry"] = "false"
    return response


def translate(error: web.HTTPException, method: str, path: str) -> JackfieldError:
    """What aiohttp itself refuses, in our terms. Its own texts are not passed on: they may quote the request."""
    shown = path if len(path) <= _PATH_SHOWN else f"{path[:_PATH_SHOWN]}…"
    if isinstance(error, web.HTTPNotFound):
        return RouteNotFound(f"nothing is served at {method} {shown}")
    if isinstance(error, web.HTTPMethodNotAllowed):
        return MethodNotAllowed(f"{shown} does not take {method}, only {', '.join(sorted(error.allowed_methods))}")
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return BodyTooLarge("the request body is larger than this server accepts")
    if error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return InvalidRequest(f"the request cannot be served: {error.reason}")
    return InternalError(f"the request failed: {error.reason}")


def unreadable_body() -> JackfieldError:
    """The body's transfer or content encoding is damaged."""
    return MalformedBody("the request body cannot be read: its transfer or content encoding is damaged")


def bad_http() -> JackfieldError:
    """What came is not an HTTP request, or not one that is read here."""
    return ClientError(
        "the request is not valid HTTP/1.1, or has headers that are too long or too many, or a content encoding other"
        " than gzip and deflate"
    )


def _challenge(error: JackfieldError) -> str:
    """RFC 6750, section 3: no error code for a caller who has not even tried."""
    if isinstance(error, CredentialMissing):
        return 'Bearer realm="jackfield"'
    kind = "insufficient_scope" if isinstance(error, InsufficientScope) else "invalid_token"
    return f'Bearer realm="jackfield", error="{kind}"'


def _payload(error: JackfieldError, frontend: Frontend | None, request_id: str) -> ErrorPayload:
    return plain_payload(error) if frontend is None else frontend.render_error(error, request_id)


def plain_payload(error: JackfieldError) -> ErrorPayload:
    """*error* where no frontend can render it."""
    spec = http(error)
    body = {"error": {"message": error.message, "type": spec.type, "param": error.param, "code": spec.code}}
    return ErrorPayload(status=spec.status, body=msgspec.json.encode(body))
