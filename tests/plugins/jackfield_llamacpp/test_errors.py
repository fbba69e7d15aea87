"""Errors in llama-server's shape."""

from __future__ import annotations

import json

import pytest

from jackfield.errors import (
    CredentialMissing,
    InternalError,
    InvalidRequest,
    JackfieldError,
    ModelNotFound,
    Overloaded,
    PolicyDenied,
    QueueFull,
)
from jackfield_llamacpp.errors import error_payload


@pytest.mark.parametrize(
    ("kind", "status", "name"),
    [
        (InvalidRequest, 400, "invalid_request_error"),
        (CredentialMissing, 401, "authentication_error"),
        (PolicyDenied, 403, "permission_error"),
        (ModelNotFound, 404, "not_found_error"),
        (QueueFull, 429, "rate_limit_error"),
        (InternalError, 500, "server_error"),
        (Overloaded, 503, "unavailable_error"),
    ],
)
def test_types(kind: type[JackfieldError], status: int, name: str) -> None:
    """llama-server's own; what it never answers has the name that OpenAI's clients know."""
    payload = error_payload(kind("the reason"))
    assert (payload.status, json.loads(payload.body)) == (
        status,
        {"error": {"code": status, "message": "the reason", "type": name}},
    )
