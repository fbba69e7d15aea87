"""What whoever runs a server can do over HTTP, with real processes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import requests

from jackfield.testing.background import BackgroundLoop
from jackfield.testing.manifests import scripted_manifest
from jackfield.testing.serve import ServeProcess
from jackfield_keys.edit import Grant, KeyFile

if TYPE_CHECKING:
    from collections.abc import Iterator

DEADLINE_S = 30.0


class Administered:
    """A server, and keys of two kinds."""

    def __init__(self, process: ServeProcess, admin: str, user: str) -> None:
        self.process = process
        self.keys = {"admin": admin, "user": user}

    def ask(self, method: str, path: str, body: object = None, *, who: str = "admin") -> requests.Response:
        headers = {"Authorization": f"Bearer {self.keys[who]}"} if who else {}
        url = f"{self.process.target.url}/admin/v1/{path}"
        data = None if body is None else json.dumps(body)
        return requests.request(method, url, data=data, headers=headers, timeout=DEADLINE_S)

    def answer(self, method: str, path: str, body: object = None) -> Any:
        reply = self.ask(method, path, body)
        assert reply.status_code == 200, reply.text
        return reply.json()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Administered]:
    folder = tmp_path_factory.mktemp("server")
    file = KeyFile(folder / "keys.toml", "keys.toml")
    admin = file.create(Grant("boss", "", ("admin",), None, None))[0]
    user = file.create(Grant("user", "", ("generate", "models:read"), None, None))[0]
    with BackgroundLoop() as loop:
        process = ServeProcess(scripted_manifest(enabled=("admin", "keys")), folder, loop)
        process.wait_ready()
        yield Administered(process, admin, user)
        process.close()


PATHS = ["plugins", "models", "workers", "queues", "sequences/scripted", "caches", "config"]


@pytest.mark.parametrize("path", PATHS)
def test_only_principals_with_the_scope(server: Administered, path: str) -> None:
    assert server.ask("GET", path, who="").status_code == 401
    refused = server.ask("GET", path, who="user")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "insufficient_scope")
    assert server.ask("GET", path).status_code == 200


def test_views(server: Administered) -> None:
    assert [each["name"] for each in server.answer("GET", "plugins")["plugins"]][:2] == ["scripted", "openai"]
    (model,) = server.answer("GET", "models")["models"]
    assert (model["name"], model["ready"]) == ("scripted", True)
    gateway, worker = server.answer("GET", "workers")["children"]
    assert (gateway["kind"], worker["kind"], worker["model"], worker["state"]) == (
        "gateway",
        "worker",
        "scripted",
        "ready",
    )
    (queue,) = server.answer("GET", "queues")["queues"]
    assert (queue["model"], queue["running"], queue["waiting"]) == ("scripted", 0, 0)
    assert server.answer("GET", "sequences/scripted")["sequences"] == []
    settings = server.answer("GET", "config")["settings"]
    assert settings["kernel.queue"] == {"value": "64", "origin": "default"}
    assert "plugins.toml" in settings["models.scripted.backend"]["origin"]


def test_caches_are_shown_and_cleared(server: Administered) -> None:
    (cache,) = server.answer("GET", "caches")["caches"]
    assert cache["answer"]["type"] == "cache-report"
    (cleared,) = server.answer("DELETE", "caches?model=scripted")["caches"]
    assert cleared["answer"]["type"] == "cache-cleared"
    missing = server.ask("GET", "caches?model=nobody")
    assert (missing.status_code, missing.json()["error"]["param"]) == (400, "model")


def test_workers_are_restarted(server: Administered) -> None:
    before = server.answer("GET", "workers")["children"][1]["pid"]
    server.answer("POST", "workers/scripted/restart", {"now": True})
    server.process.wait_ready()
    assert server.answer("GET", "workers")["children"][1]["pid"] != before
    assert server.ask("POST", "workers/nobody/restart").status_code == 400


def test_the_log_level_changes_live(server: Administered) -> None:
    server.answer("PATCH", "config", {"log_level": "debug"})
    server.answer("POST", "config/reload")
    wrong: list[object] = [{"log_level": "loud"}, {"queue": 5}, {}, []]
    for body in wrong:
        assert server.ask("PATCH", "config", body).status_code == 400


def test_bodies_that_are_none(server: Administered) -> None:
    url = f"{server.process.target.url}/admin/v1/config"
    headers = {"Authorization": f"Bearer {server.keys['admin']}"}
    for data in (b"", b"{", b"\xff", b"null"):
        reply = requests.patch(url, data=data, headers=headers, timeout=DEADLINE_S)
        assert reply.status_code == 400, (data, reply.text)


def test_without_an_authenticator_nobody_is_let_in(tmp_path_factory: pytest.TempPathFactory) -> None:
    """On loopback too."""
    with BackgroundLoop() as loop:
        process = ServeProcess(scripted_manifest(enabled=("admin",)), tmp_path_factory.mktemp("open"), loop)
        process.wait_ready()
        url = f"{process.target.url}/admin/v1/plugins"
        assert requests.get(url, timeout=DEADLINE_S).status_code == 401
        process.close()
