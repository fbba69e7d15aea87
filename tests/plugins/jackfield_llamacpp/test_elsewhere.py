"""Routes for what is done elsewhere here, or not at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.plugins.jackfield_llamacpp.asking import answered, ask, asked

from jackfield.testing.kits.scripted_gateway import ScriptedGateway


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/models"),
        ("GET", "/models?after=a%25b"),
        ("POST", "/chat/completions"),
        ("POST", "/chat/completions?x=1&y="),
        ("POST", "/responses"),
        ("POST", "/responses/input_tokens"),
    ],
)
def test_openais_routes_are_under_v1(method: str, path: str) -> None:
    """Method and body go there too, and so does what the URL asks for."""
    status, headers, _ = answered(ScriptedGateway(), path, method=method)
    assert (status, headers["Location"]) == (308, f"/v1{path}")


def test_there_are_no_adapters() -> None:
    """That none be set is done; one that is to be set is refused as such."""
    gateway = ScriptedGateway()
    assert asked(gateway, "/lora-adapters", method="GET") == []
    assert asked(gateway, "/lora-adapters", []) == {"success": True}


@pytest.mark.parametrize("body", [[{"id": 0, "scale": 1.0}], [0], {}, {"id": 0}, "[]", 5])
def test_adapters_that_cannot_be_set(body: Any) -> None:
    """Whatever was meant by it."""
    status, data = ask(ScriptedGateway(), "/lora-adapters", body)
    error = json.loads(data)["error"]
    assert (status, error["type"]) == (400, "invalid_request_error")
    assert ("no adapters are loaded" in error["message"]) is (isinstance(body, list) and bool(body))
