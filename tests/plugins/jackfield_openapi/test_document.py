"""``/openapi.json`` and ``/docs`` of a server in this process."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from typing import TYPE_CHECKING

import jsonschema
import msgspec
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR
from tests.plugins.jackfield_openapi.served import example_for

from jackfield.testing.background import BackgroundLoop
from jackfield.testing.inprocess import InProcessServer
from jackfield.testing.manifests import scripted_manifest
from jackfield_ollama.operations import REFUSED
from jackfield_openapi.page import render_page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.plugins.jackfield_openapi.served import Served

    from jackfield.testing.client import Reply


@pytest.fixture
def loop() -> Iterator[BackgroundLoop]:
    with BackgroundLoop() as loop:
        yield loop


@pytest.fixture
def server(loop: BackgroundLoop, tmp_path: Path) -> Iterator[InProcessServer]:
    server = InProcessServer(scripted_manifest(enabled=("openapi",)), tmp_path, loop)
    yield server
    server.close()


def get(server: InProcessServer, path: str) -> Reply:
    return server.target.run(server.target.client.request("GET", path))


def test_it_is_openapi(served: Served) -> None:
    """Of version 3.1, by the specification's own schema, and every type in it is a schema."""
    assert served.document["openapi"] == "3.1.1"
    OPENAPI_31_VALIDATOR.validate(served.document)
    for schema in served.document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_all_references_are_there(served: Served) -> None:
    references = set(re.findall(r'"#/components/(\w+)/([^"]+)"', json.dumps(served.document)))
    assert len(references) > 50
    for kind, name in references:
        assert name in served.document["components"][kind], (kind, name)


def test_every_operation_is_told_apart(served: Served) -> None:
    names = [operation["operationId"] for _, _, operation in served.operations()]
    assert len(names) == len(set(names))


def test_every_route_is_described(served: Served) -> None:
    """With its parts, a summary, its answer, what it may be refused with, and an example of its body."""
    for path, method, operation in served.operations():
        where = f"{method} {path}"
        assert operation["summary"], where
        assert {"400", "401", "403", "408", "429", "500", "503"} <= set(operation["responses"]), where
        told = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"}
        assert told == set(re.findall(r"{(\w+)}", path)), where
        if told:
            assert "404" in operation["responses"], where
        body = operation.get("requestBody", {}).get("content", {})
        if body:
            assert "413" in operation["responses"], where
        if "application/json" in body:
            content = body["application/json"]
            assert not served.wrong(content["schema"], content["example"]), where


def test_errors_are_shown_as_they_are(served: Served) -> None:
    """In each dialect's own shape."""
    for path, method, operation in served.operations():
        for status, answer in operation["responses"].items():
            content = served.resolved(answer).get("content", {}).get("application/json", {})
            # some routes of Ollama's are only ever refused: there it is the answer itself
            if status >= "4" and operation["summary"] != REFUSED.summary:
                assert not served.wrong(content["schema"], content["example"]), (path, method, status)
    shapes = {
        operation["tags"][0]: served.resolved(operation["responses"]["403"])["content"]["application/json"]["example"]
        for _, _, operation in served.operations()
    }
    assert set(shapes["openai"]["error"]) == {"message", "type", "param", "code"}
    assert shapes["anthropic"]["type"] == "error"
    assert isinstance(shapes["ollama"]["error"], str)
    assert shapes["llamacpp"]["error"]["code"] == 403


def test_examples_can_be_sent(served: Served) -> None:
    """To a model of their task; what they name besides is not there."""
    missing = {"/v1/chat/completions/{id}": 404}
    missing |= dict.fromkeys(("/v1/batches", "/v1/moderations", "/slots/{id_slot}", "/infill"), 400)
    sent = 0
    for path, method, operation in served.operations():
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if body is None or operation["tags"] == ["admin"]:
            continue
        example = example_for(operation, body["example"])
        answer = served.send(
            method, path.replace("{id_slot}", "0"), served.key, json=example, params={"action": "save"}
        )
        assert answer.status_code == missing.get(path, 200), (path, answer.text)
        assert not served.problems(operation, answer), path
        sent += 1
    assert sent > 20


def test_only_enabled_plugins_are_described(loop: BackgroundLoop, tmp_path: Path) -> None:
    manifest = scripted_manifest(enabled=("openapi",)).replace('"openai", ', "")
    server = InProcessServer(manifest, tmp_path, loop)
    try:
        assert set(json.loads(get(server, "/openapi.json").body)["paths"]) == {"/openapi.json", "/docs"}
    finally:
        server.close()


def test_page_needs_nothing_else(server: InProcessServer) -> None:
    """No script, no address, and a style that its policy allows."""
    reply = get(server, "/docs")
    page = reply.body.decode()
    assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<script" not in page
    assert "http" not in page.lower().replace("http status", "")
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = reply.headers["Content-Security-Policy"]
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "/v1/chat/completions" in page
    assert "messages" in page


def test_whatever_a_plugin_writes_is_text() -> None:
    """Names and summaries come from other people's code."""
    evil = "<script>alert(1)</script>"
    operation = {"tags": [evil], "summary": evil, "responses": {"200": {"description": evil}}}
    document = {"info": {"title": evil, "version": evil}, "paths": {f"/{evil}": {"get": operation}}}
    assert b"<script>" not in render_page(msgspec.json.encode(document))


def test_examples_and_errors_are_on_the_page() -> None:
    """Of bodies, and of errors, which tell more than their fields."""
    told = {"description": "Refused", "content": {"application/json": {"schema": {}, "example": {"error": "why"}}}}
    body = {"content": {"application/json": {"schema": {"type": "object"}, "example": {"a": 41}}}}
    answers = {"200": {"description": "Fine"}, "400": {"$ref": "#/components/responses/tag-400"}}
    operation = {"tags": ["tag"], "requestBody": body, "responses": answers}
    document = {
        "info": {"title": "Us", "version": "1"},
        "paths": {"/x": {"post": operation}},
        "components": {"responses": {"tag-400": told}},
    }
    page = html.unescape(render_page(msgspec.json.encode(document)).decode())
    assert '<pre>{"a":41}</pre>' in page
    assert "Errors: 400<" in page
    assert '400 <span class="note">Refused</span>' in page
    assert '<pre>{"error":"why"}</pre>' in page
