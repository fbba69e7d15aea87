"""Steps: what a server says of itself, and of its models."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote

import msgspec
from pytest_bdd import given, then, when

from jackfield.testing.manifests import scripted_manifest
from jackfield.testing.steps.words import words

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.testing.client import Reply
    from jackfield.testing.target import Target

Document: TypeAlias = "dict[str, Any]"


@given(words("a server with a scripted model that describes itself, with {plugin:Text}"), target_fixture="server")
def describing_server(servers: Callable[[str], Target], plugin: str) -> Target:
    """Besides OpenAI's dialect."""
    return servers(scripted_manifest(enabled=("openapi", plugin)))


@given(words("a server with a scripted model whose fields are judged in the mode {mode:Text}"), target_fixture="server")
def moded_server(servers: Callable[[str], Target], mode: str) -> Target:
    """``strict``, ``warn`` or ``ignore``."""
    return servers(scripted_manifest() + f"\n[config.openai]\nunknown_fields = {msgspec.json.encode(mode).decode()}\n")


@when("I read the server's description", target_fixture="description")
def read_description(server: Target) -> Document:
    """``/openapi.json``."""
    reply = server.run(server.client.request("GET", "/openapi.json"))
    assert reply.status == HTTPStatus.OK, reply.summary
    return msgspec.json.decode(reply.body, type=dict[str, Any])


@when("I open the page of the description", target_fixture="page")
def open_page(server: Target) -> Reply:
    """``/docs``."""
    return server.run(server.client.request("GET", "/docs"))


@when("I ask what the model can do", target_fixture="capabilities")
def ask_capabilities(server: Target) -> Document:
    """``GET /v1/models/{id}``."""
    reply = server.run(server.client.request("GET", f"/v1/models/{quote(server.client.model)}"))
    assert reply.status == HTTPStatus.OK, reply.summary
    found: Document = msgspec.json.decode(reply.body)["capabilities"]
    return found


@then("it is an OpenAPI 3.1 document")
def is_openapi(description: Document) -> None:
    """Tools read it."""
    assert description["openapi"].startswith("3.1.")
    assert description["info"]["title"]


@then(words("it describes {route:Text}"))
def describes(description: Document, route: str) -> None:
    """With its answer and its errors."""
    responses = _operation(description, route)["responses"]
    assert {"400", "500"} <= set(responses)
    assert any(status.startswith("2") for status in responses)


@then(words("it does not describe {route:Text}"))
def does_not_describe(description: Document, route: str) -> None:
    """Nothing serves it."""
    assert route.partition(" ")[2] not in description["paths"]


@then(words("it shows what {route:Text} refuses, with {field:Text} in it"))
def shows_errors(description: Document, route: str, field: str) -> None:
    """As a client of that dialect reads it."""
    name = _operation(description, route)["responses"]["400"]["$ref"].rpartition("/")[2]
    example = description["components"]["responses"][name]["content"]["application/json"]["example"]
    assert field in example or field in example["error"]


@then(words("the page shows {text:Text}"))
def page_shows(page: Reply, text: str) -> None:
    """For people."""
    assert page.status == HTTPStatus.OK, page.summary
    assert text in page.body.decode()


@then("the page runs nothing and loads nothing")
def page_is_closed(page: Reply) -> None:
    """It works without a network, and its policy says so to browsers."""
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert not re.search(r"<script|<link|<img|<iframe|src=|href=|@import|url\(", page.body.decode())


@then(words("{route:Text} takes {field:Text}"))
def takes(capabilities: Document, route: str, field: str) -> None:
    """As the model's record says."""
    assert field in capabilities["endpoints"][route]


@then(words("{route:Text} does not take {field:Text}"))
def does_not_take(capabilities: Document, route: str, field: str) -> None:
    """This model cannot do it."""
    assert field not in capabilities["endpoints"].get(route, ())


@then(words("the answer says that {field:Text} was left out"))
def says_left_out(reply: Reply, field: str) -> None:
    """In a header."""
    assert reply.status == HTTPStatus.OK, reply.summary
    assert field in reply.headers["x-jackfield-ignored"].split(",")


@then("the answer says of no field that it was left out")
def says_nothing_left_out(reply: Reply) -> None:
    """No header."""
    assert reply.status == HTTPStatus.OK, reply.summary
    assert "x-jackfield-ignored" not in reply.headers


def _operation(description: Document, route: str) -> Document:
    method, _, path = route.partition(" ")
    found: Document = description["paths"][path][method.lower()]
    return found
