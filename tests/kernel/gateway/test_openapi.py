"""The document that is made of routes."""

from __future__ import annotations

import json

import msgspec
import pytest

from jackfield.errors import JackfieldError, PluginError, http
from jackfield.gateway.openapi import openapi_document
from jackfield.gateway.routing import Endpoint
from jackfield.ports.frontend import ErrorPayload, Operation, Parameter


class Body(msgspec.Struct):
    """A body."""

    text: str


class Small:
    """A frontend without routes."""

    def routes(self) -> tuple[()]:
        return ()

    def render_error(self, error: JackfieldError, request_id: str) -> ErrorPayload:
        return ErrorPayload(
            status=http(error).status, body=msgspec.json.encode({"oh": error.message, "id": request_id})
        )


async def _unused(*_: object) -> None:
    raise AssertionError


def endpoint(path: str, operation: Operation | None, scope: str = "generate") -> Endpoint:
    return Endpoint("small", Small(), path, _unused, scope, operation)  # type: ignore[arg-type]


def test_operation_becomes_openapi() -> None:
    operation = Operation(
        summary="Do it",
        body=Body,
        answer=list[Body],
        events=Body,
        events_end="bye",
        error=Body,
        parameters=(
            Parameter(name="deep", kind=bool, description="How."),
            Parameter(name="id", where="path", kind=int),
        ),
    )
    document = json.loads(
        openapi_document([("POST", endpoint("/do/{id:[0-9]+}", operation))], authenticated=True, overload_status=529)
    )
    described = document["paths"]["/do/{id}"]["post"]
    assert described["operationId"] == "post_do_id"
    assert described["security"] == [{"bearer": ["generate"]}, {"x-api-key": ["generate"]}]
    assert [(each["name"], each["required"], each["schema"]) for each in described["parameters"]] == [
        ("deep", False, {"type": "boolean"}),
        ("id", True, {"type": "integer"}),
    ]
    reference = {"$ref": "#/components/schemas/Body"}
    content = described["responses"]["200"]["content"]
    assert content["application/json"] == {"schema": {"type": "array", "items": reference}}
    assert content["text/event-stream"]["x-event"] == {"anyOf": [reference, reference]}
    assert content["text/event-stream"]["x-end"] == "bye"
    answers = described["responses"]
    assert set(answers) == {"200", "400", "401", "403", "404", "408", "413", "429", "500", "503", "529"}
    name = answers["403"]["$ref"].removeprefix("#/components/responses/")
    content = document["components"]["responses"][name]["content"]["application/json"]
    assert content["schema"] == reference
    assert set(content["example"]) == {"oh", "id"}


def test_route_without_a_word_has_its_path() -> None:
    document = json.loads(
        openapi_document([("GET", endpoint("/files/{name:.+}", None))], authenticated=False, overload_status=429)
    )
    described = document["paths"]["/files/{name}"]["get"]
    assert [each["name"] for each in described["parameters"]] == ["name"]
    assert "security" not in described


def test_admin_routes_always_need_a_key() -> None:
    table = [("GET", endpoint("/admin", Operation(summary="All"), "admin"))]
    document = json.loads(openapi_document(table, authenticated=False, overload_status=429))
    assert document["paths"]["/admin"]["get"]["security"]


def test_types_that_cannot_be_described_name_the_plugin() -> None:
    table = [("GET", endpoint("/odd", Operation(summary="Odd", answer=complex)))]
    with pytest.raises(PluginError, match="small: GET /odd"):
        openapi_document(table, authenticated=False, overload_status=429)
