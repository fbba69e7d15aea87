"""What a described route may answer: its own answer, and the errors it can meet as its frontend really renders them."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from jackfield.errors import (
    AtCapacity,
    AuthenticationThrottled,
    BodyTooLarge,
    CredentialMissing,
    DeadlineExceeded,
    InsufficientScope,
    InternalError,
    InvalidRequest,
    ModelNotFound,
    ModelNotReady,
    RecordNotFound,
    TooManyConnections,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from jackfield.errors import JackfieldError
    from jackfield.gateway.routing import Endpoint
    from jackfield.ports.frontend import ErrorPayload, Operation, Parameter

Node: TypeAlias = "dict[str, object]"
"""A JSON object of the document."""

Describe: TypeAlias = "Callable[[object], Mapping[str, object]]"
"""The schema of a type."""

REQUEST_ID: Final = "req_0123456789abcdef01234567"
"""Of the examples."""

HEADERS: Final[Mapping[str, Node]] = {
    "x-request-id": {
        "description": "The request's id: the client's own, where it sent a usable one.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
    },
    "Retry-After": {
        "description": "Seconds after which it may succeed.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    },
    "x-should-retry": {
        "description": "`false` where the same request will always fail.",
        "schema": {"const": "false"},
    },
    "WWW-Authenticate": {
        "description": "How to say who calls (RFC 6750).",
        "required": True,
        "schema": {"type": "string", "pattern": "^Bearer "},
    },
    "scope-challenge": {
        "description": "Where the caller lacks a scope (RFC 6750).",
        "schema": {"type": "string", "pattern": "^Bearer "},
    },
}
"""What the kernel adds to answers."""

_OF_ERRORS: Final = ("x-request-id", "x-should-retry", "Retry-After")
_CHALLENGES: Final[Mapping[int, str]] = {401: "WWW-Authenticate", 403: "scope-challenge"}

_MEANINGS: Final[Mapping[int, str]] = {
    400: "The request cannot be served as it is.",
    401: "The request does not say who calls, or not in a way that is valid.",
    403: "The caller may not do this.",
    404: "What the request names is not there.",
    408: "The request's time was over before it was answered.",
    409: "It cannot be done in the state that things are in now.",
    413: "The body is too large.",
    429: "There is too much to do for this; it may succeed later.",
    500: "The server is at fault.",
    503: "It cannot be served right now; it may succeed later.",
    529: "There is too much to do for this; it may succeed later.",
}


class Answers:
    """Makes the ``responses`` of routes.

    Parameters:
        describe: Gives schemas.
        overload_status: ``kernel.overload_status``.
    """

    def __init__(self, describe: Describe, overload_status: int) -> None:
        self.shared: Final[Node] = {}
        """Errors, which many routes have in common, by name."""
        self._describe = describe
        self._overload_status = overload_status

    def of(self, endpoint: Endpoint, *, secured: bool) -> Node:
        """Those of *endpoint*; *secured* says whether callers have to say who they are."""
        described = endpoint.operation
        if described is None:
            return {"default": {"description": "Not described."}}
        found: Node = {str(described.status): _own(described, self._describe)}
        for error in _errors(endpoint, secured=secured, overload_status=self._overload_status):
            payload = endpoint.frontend.render_error(error, REQUEST_ID)
            status = self._overload_status if isinstance(error, AtCapacity) else payload.status
            node = _error(status, payload, described, self._describe)
            found.setdefault(str(status), self._reference(f"{endpoint.owner}-{status}", node))
        return found

    def _reference(self, name: str, node: Node) -> Node:
        """*node* under *name*, or under another one where that is taken by something else."""
        while self.shared.setdefault(name, node) != node:
            name += "-"
        return {"$ref": f"#/components/responses/{name}"}


def _own(described: Operation, describe: Describe) -> Node:
    own = {each.name: _header(each, describe) for each in described.headers}
    kernel = _OF_ERRORS if described.status >= HTTPStatus.BAD_REQUEST else _OF_ERRORS[:1]
    node: Node = {"description": described.summary, "headers": {**_headers(*kernel), **own}}
    content: Node = {}
    if described.answer is not None:
        content[described.answer_content] = {"schema": describe(described.answer)}
    elif described.answer_content != "application/json":
        content[described.answer_content] = {}
    if described.events is not None:
        content[described.events_content] = _stream(described, describe)
    if content:
        node["content"] = content
    return node


def _stream(described: Operation, describe: Describe) -> Node:
    """OpenAPI 3.1 has no word for the schema of one event."""
    event = describe(described.events)
    if described.error is not None:
        event = {"anyOf": [event, describe(described.error)]}
    node: Node = {"schema": {"type": "string"}, "x-event": event}
    if described.events_end:
        node["x-end"] = described.events_end
    return node


def _errors(endpoint: Endpoint, *, secured: bool, overload_status: int) -> Iterable[JackfieldError]:
    described = endpoint.operation
    yield InvalidRequest("temperature must be between 0 and 100", param="temperature")
    if secured:
        yield CredentialMissing("this server needs an API key")
        yield AuthenticationThrottled("too many bad credentials have come from this address")
    yield InsufficientScope("this key may not do this")
    if described is not None and (described.task is not None or described.honoured):
        yield ModelNotFound("the model nobody does not exist", param="model")
    elif "{" in endpoint.path or (described is not None and described.parameters):
        yield RecordNotFound("nothing of that id is there")
    if described is not None:
        yield from described.refusals
    yield DeadlineExceeded("the request's deadline passed before it was answered")
    if described is not None and described.body is not None:
        yield BodyTooLarge("the request body is larger than this server accepts")
    crowded = TooManyConnections("this server has as many connections as it may have")
    crowded.status = overload_status
    yield crowded
    yield InternalError("an internal error happened; the server's log has more under this request's id")
    yield ModelNotReady("the model is loading")


def _error(status: int, payload: ErrorPayload, described: Operation, describe: Describe) -> Node:
    own: Node = {name: {"schema": {"type": "string"}} for name in payload.headers}
    headers = {**own, **_headers(*_OF_ERRORS)}
    if status in _CHALLENGES:
        headers |= {"WWW-Authenticate": _headers(_CHALLENGES[status])[_CHALLENGES[status]]}
    content: Node = {}
    if described.error is not None:
        content["schema"] = describe(described.error)
    if payload.content_type == "application/json" and payload.body:
        content["example"] = msgspec.Raw(payload.body)
    node: Node = {"description": _MEANINGS.get(status, "It failed."), "headers": headers}
    if content:
        node["content"] = {payload.content_type: content}
    return node


def _headers(*names: str) -> Node:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _header(header: Parameter, describe: Describe) -> Node:
    node: Node = {"required": header.required, "schema": describe(header.kind)}
    if header.description:
        node["description"] = header.description
    return node
