"""The OpenAPI 3.1 document of the running server, made of what its frontends say of their routes.

Types are those that decode bodies and encode answers; msgspec turns them into JSON Schema 2020-12, which is what
OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.1) takes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield import __version__
from jackfield.errors import PluginError
from jackfield.gateway.openapi_answers import HEADERS, Answers, Node
from jackfield.ports.identity import ADMINISTRATION

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from jackfield.gateway.routing import Endpoint
    from jackfield.ports.frontend import Operation, Parameter

_VARIABLE: Final = re.compile(r"\{([^{}:]*)(?::[^{}]*)?\}")
_WORD: Final = re.compile(r"[A-Za-z0-9]+")

_SCHEMES: Final[Mapping[str, Node]] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
}


class _Schemas:
    """The types of all operations as schemas, and the components that they refer to."""

    def __init__(self, kinds: Iterable[object]) -> None:
        self._kinds = list({repr(kind): kind for kind in kinds}.values())
        schemas, components = msgspec.json.schema_components(self._kinds, ref_template="#/components/schemas/{name}")
        self.components = components
        self._found = dict(zip(map(repr, self._kinds), schemas, strict=True))

    def of(self, kind: object) -> Mapping[str, object]:
        return self._found[repr(kind)]


def openapi_document(table: Sequence[tuple[str, Endpoint]], *, authenticated: bool, overload_status: int) -> bytes:
    """The document as JSON.

    Parameters:
        table: Every route: its method and what serves it.
        authenticated: Whether callers have to say who they are.
        overload_status: ``kernel.overload_status``.

    Raises:
        PluginError: A frontend describes a route with a type that no schema can describe; the message names both.

    Takes some tens of milliseconds; called once, before anything is served.
    """
    schemas = _described(table)
    answers = Answers(schemas.of, overload_status)
    paths: dict[str, Node] = {}
    for method, endpoint in table:
        path = paths.setdefault(_VARIABLE.sub(r"{\1}", endpoint.path), {})
        secured = authenticated or endpoint.scope in ADMINISTRATION
        node = _operation(method, endpoint, schemas, secured=secured)
        node["responses"] = answers.of(endpoint, secured=secured)
        path[method.lower()] = node
    document = {
        "openapi": "3.1.1",
        "info": {"title": "Jackfield", "version": __version__},
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": schemas.components,
            "responses": answers.shared,
            "headers": HEADERS,
            "securitySchemes": _SCHEMES,
        },
    }
    return msgspec.json.encode(document)


def _described(table: Sequence[tuple[str, Endpoint]]) -> _Schemas:
    try:
        return _Schemas(kind for _, endpoint in table for kind in _kinds(endpoint.operation))
    except (TypeError, ValueError):
        for method, endpoint in table:
            _check(method, endpoint)
        raise


def _check(method: str, endpoint: Endpoint) -> None:
    for kind in _kinds(endpoint.operation):
        try:
            msgspec.json.schema_components([kind])
        except (TypeError, ValueError) as error:
            route = f"{method} {endpoint.path}"
            raise PluginError(f"frontend {endpoint.owner}: {route}: {kind!r} cannot be described: {error}") from error


def _kinds(operation: Operation | None) -> Iterable[object]:
    if operation is None:
        return
    for kind in (operation.body, operation.answer, operation.events, operation.error):
        if kind is not None:
            yield kind
    for parameter in (*operation.parameters, *operation.headers):
        yield parameter.kind


def _operation(method: str, endpoint: Endpoint, schemas: _Schemas, *, secured: bool) -> Node:
    described = endpoint.operation
    node: Node = {
        "operationId": "_".join([method.lower(), *_WORD.findall(_VARIABLE.sub(r"\1", endpoint.path))]),
        "tags": [endpoint.owner],
    }
    if described is not None:
        node["summary"] = described.summary
    parameters = _parameters(endpoint, schemas)
    if parameters:
        node["parameters"] = parameters
    if described is not None and described.body is not None:
        content: Node = {"schema": schemas.of(described.body)}
        if described.example is not None:
            content["example"] = described.example
        node["requestBody"] = {"required": True, "content": {described.body_content: content}}
        if described.honoured:
            node["x-honoured"] = described.honoured
    if secured:
        node["security"] = [{name: [endpoint.scope]} for name in _SCHEMES]
    return node


def _parameters(endpoint: Endpoint, schemas: _Schemas) -> list[Node]:
    given = endpoint.operation.parameters if endpoint.operation is not None else ()
    told = {(each.where, each.name) for each in given}
    plain: list[Node] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _VARIABLE.findall(endpoint.path)
        if ("path", name) not in told
    ]
    return plain + [_parameter(each, schemas) for each in given]


def _parameter(parameter: Parameter, schemas: _Schemas) -> Node:
    node: Node = {
        "name": parameter.name,
        "in": parameter.where,
        "required": parameter.required or parameter.where == "path",
        "schema": schemas.of(parameter.kind),
    }
    if parameter.description:
        node["description"] = parameter.description
    return node
