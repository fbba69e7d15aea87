"""Routes of a server without a supervisor: who is let in, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.plugins.jackfield_admin.conftest import Administered

VIEWS = ["plugins", "models", "workers", "queues", "sequences/scripted", "caches", "config", "keys"]
OF_MODELS = {"models", "queues", "sequences/scripted"}


@pytest.mark.parametrize("path", VIEWS)
def test_who_sees_what(here: Administered, path: str) -> None:
    """Nobody but who has the scope; who is limited to models sees those only."""
    others = here.key("others", "generate", "embed", "rerank", "models:read", "slots")
    limited = here.key("limited", "*", models=["scripted"])
    assert here.refused("GET", path, who="")[:2] == (401, "missing_api_key")
    assert here.refused("GET", path, who=others)[:2] == (403, "insufficient_scope")
    if path in OF_MODELS:
        here.answer("GET", path, who=limited)
    else:
        assert here.refused("GET", path, who=limited)[:2] == (403, "policy_denied")
    assert here.refused("GET", f"{path}?what=1") == (400, "unknown_parameter", "what")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "workers/scripted/restart"),
        ("POST", "config/reload"),
        ("POST", "drain"),
        ("DELETE", "caches"),
        ("GET", "workers"),
        ("GET", "caches"),
    ],
)
def test_what_only_a_supervisor_can_do(here: Administered, method: str, path: str) -> None:
    assert here.refused(method, path) == (400, "unsupported_parameter", None)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "workers/scripted/restart"),
        ("POST", "config/reload"),
        ("POST", "drain"),
        ("DELETE", "caches"),
        ("POST", "keys"),
        ("DELETE", "keys/x"),
        ("POST", "keys/x/rotate"),
        ("PATCH", "config"),
    ],
)
def test_who_is_limited_to_models_changes_nothing(here: Administered, method: str, path: str) -> None:
    limited = here.key("limited", "*", models=["scripted"])
    assert here.refused(method, path, {}, who=limited)[:2] == (403, "policy_denied")


@pytest.mark.parametrize(
    ("settings", "code", "param"),
    [
        ({"config.fair.ageing_s": 0}, "invalid_value", "config.fair.ageing_s"),
        ({"config.fair.ageing_s": "soon"}, "invalid_value", "config.fair.ageing_s"),
        ({"config.fair.ageing_s": None}, "invalid_value", "config.fair.ageing_s"),
        ({"config.fair.slice_tokens": 10**30}, "invalid_value", "config.fair.slice_tokens"),
        ({"config.fair.slice_tokens.x": 1}, "invalid_value", "config.fair.slice_tokens"),
        ({"config.fair.weights": {"keys/a": 0}}, "invalid_value", "config.fair.weights"),
        ({"config.fair.weights": [[[]]]}, "invalid_value", "config.fair.weights"),
        ({"config.fair.ageing": 1}, "invalid_value", "config.fair.ageing"),
        ({"config.fair": {}}, "unsupported_parameter", "config.fair"),
        ({"config.nobody.x": 1}, "invalid_value", "config.nobody.x"),
        ({"config.keys.file": "x"}, "unsupported_parameter", "config.keys.file"),
        ({"config.keys.fil": "x"}, "invalid_value", "config.keys.fil"),
        ({"kernel.log_level": "loud"}, "invalid_value", "kernel.log_level"),
        ({"kernel.log_level": 5}, "invalid_value", "kernel.log_level"),
        ({"kernel.log_level.x": "info"}, "unsupported_parameter", "kernel.log_level.x"),
        ({"kernel.queue": 5}, "unsupported_parameter", "kernel.queue"),
        ({"kernel.tls.minimum": "1.3"}, "unsupported_parameter", "kernel.tls.minimum"),
        ({"kernel.que": 5}, "invalid_value", "kernel.que"),
        ({"kernel": {}}, "unsupported_parameter", "kernel"),
        ({"models.scripted.context": 5}, "unsupported_parameter", "models.scripted.context"),
        ({"models.nobody.context": 5}, "invalid_value", "models.nobody.context"),
        ({"enabled": []}, "unsupported_parameter", "enabled"),
        ({"nothing": 1}, "invalid_value", "nothing"),
        ({"": 1}, "invalid_value", ""),
        ({"a b": 1}, "invalid_value", "a b"),
        ({"a.": 1}, "invalid_value", "a."),
        ({"a = 1\nb": 1}, "invalid_value", "a = 1\nb"),
        ({}, "invalid_value", "settings"),
        ([], "invalid_value", "settings"),
        ({f"kernel.x{number}": 1 for number in range(65)}, "invalid_value", "settings"),
    ],
)
def test_changes_that_cannot_be_made_are_named(here: Administered, settings: object, code: str, param: str) -> None:
    """By their key; trying them out says the same."""
    for path in ("config", "config?dry_run=true"):
        assert here.refused("PATCH", path, {"settings": settings}) == (400, code, param)


def test_a_change_can_be_tried_out(here: Administered) -> None:
    """One that changes nothing needs nobody."""
    asked = {"settings": {"config.fair.urgent_steps": 5, "config.fair.weights.a": 2}}
    would = here.answer("PATCH", "config?dry_run=true", asked)
    assert [(each["key"], each["before"], each["after"]) for each in would["changes"]] == [
        ("config.fair.weights", {}, {"a": 2.0}),
        ("config.fair.urgent_steps", 10, 5),
    ]
    assert here.answer("PATCH", "config", {"settings": {"kernel.log_level": "info"}})["changes"] == []
    assert here.refused("PATCH", "config", asked) == (400, "unsupported_parameter", None)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"null", b"[]", b'"x"', b'{"settings": {}} x', b"[" * 100_000])
def test_bodies_that_are_none(here: Administered, data: bytes) -> None:
    reply = here.ask("PATCH", "config", data=data)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "malformed_body")


def test_bodies_where_none_is_taken(here: Administered) -> None:
    """What they ask for would be ignored."""
    for path in ("drain", "config/reload"):
        assert here.refused("POST", path, {"timeout_s": 1}) == (400, "unknown_parameter", "timeout_s")


def test_a_body_that_is_too_large(here: Administered) -> None:
    weights = {f"keys/{number:040}": 1 for number in range(30_000)}
    assert here.refused("PATCH", "config", {"settings": {"config.fair.weights": weights}})[:2] == (
        413,
        "request_too_large",
    )


def test_what_is_secret_is_not_shown(here: Administered) -> None:
    """Nor are models' options, of which only the backend's plugin knows which are."""
    settings = here.answer("GET", "config")["settings"]
    assert settings["config.keys.file"] == {"value": "keys.toml", "origin": "default", "live": False}
    assert settings["models.scripted.options"]["value"] == {}
