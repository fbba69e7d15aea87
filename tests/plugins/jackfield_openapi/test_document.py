"""``/openapi.json`` and ``/docs`` of a server in this process."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import TYPE_CHECKING

import jsonschema
import msgspec
import pytest

from jackfield.testing.background import BackgroundLoop
from jackfield.testing.inprocess import InProcessServer
from jackfield.testing.manifests import scripted_manifest
from jackfield_openapi.page import render_page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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


def test_every_route_is_described(server: InProcessServer) -> None:
    """With its scope, its body and its answer."""
    reply = get(server, "/openapi.json")
    assert reply.headers["Content-Type"].startswith("application/json")
    document = json.loads(reply.body)
    assert document["openapi"] == "3.1.1"
    assert {"/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/models", "/v1/models/{id}"} <= set(
        document["paths"]
    )
    chat = document["paths"]["/v1/chat/completions"]["post"]
    assert "messages" in chat["x-honoured"]
    body = chat["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/ChatRequest"}
    assert {"200", "4XX", "5XX"} == set(chat["responses"])
    assert "security" not in chat


def test_all_references_are_there(server: InProcessServer) -> None:
    text = get(server, "/openapi.json").body.decode()
    document = json.loads(text)
    for name in re.findall(r'"#/components/schemas/([^"]+)"', text):
        jsonschema.Draft202012Validator.check_schema(document["components"]["schemas"][name])


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
