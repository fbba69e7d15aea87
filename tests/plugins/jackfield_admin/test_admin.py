"""What whoever runs a server can do over HTTP, with real processes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from tests.plugins.jackfield_admin.conftest import Administered

from jackfield.testing.background import BackgroundLoop
from jackfield.testing.manifests import scripted_manifest
from jackfield.testing.serve import ServeProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Running(Administered):
    """A process tree."""

    def __init__(self, folder: Path, loop: BackgroundLoop) -> None:
        super().__init__("", folder)
        self.key("all", "*")
        self.manifest = folder / "plugins.toml"
        text = scripted_manifest({"one": "", "two": ""}, enabled=("admin", "keys"), scheduler="fair")
        self.process = ServeProcess(f"{text}\n[config.fair]\nageing_s = 5.0\n", folder, loop)
        self.process.wait_ready()
        self.url = self.process.target.url

    def settings(self, *keys: str) -> list[tuple[object, str]]:
        """Values, and where they come from."""
        found = self.answer("GET", "config")["settings"]
        return [(found[key]["value"], found[key]["origin"]) for key in keys]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One for all; each test leaves it as it was."""
    with BackgroundLoop() as loop:
        running = Running(tmp_path_factory.mktemp("server"), loop)
        yield running
        running.process.close()


def test_views(server: Running) -> None:
    assert [each["name"] for each in server.answer("GET", "plugins")["plugins"]][:2] == ["scripted", "openai"]
    assert [(each["name"], each["ready"]) for each in server.answer("GET", "models")["models"]] == [
        ("one", True),
        ("two", True),
    ]
    children = server.answer("GET", "workers")["children"]
    assert [(each["kind"], each["model"], each["state"]) for each in children] == [
        ("gateway", "", "ready"),
        ("worker", "one", "ready"),
        ("worker", "two", "ready"),
    ]
    queues = server.answer("GET", "queues")["queues"]
    assert [(each["model"], each["running"], each["waiting"]) for each in queues] == [("one", 0, 0), ("two", 0, 0)]
    assert server.answer("GET", "sequences/one")["sequences"] == []


def test_caches_are_shown_and_cleared(server: Running) -> None:
    caches = server.answer("GET", "caches")["caches"]
    assert [each["answer"]["type"] for each in caches] == ["cache-report"] * 2
    [cleared] = server.answer("DELETE", "caches?model=one")["caches"]
    assert cleared["answer"]["type"] == "cache-cleared"
    assert server.refused("GET", "caches?model=nobody") == (400, "invalid_value", "model")


def test_workers_are_restarted(server: Running) -> None:
    before = server.answer("GET", "workers")["children"]
    server.answer("POST", "workers/one/restart", {"now": True})
    server.process.wait_ready()
    after = server.answer("GET", "workers")["children"]
    assert [one["pid"] == other["pid"] for one, other in zip(before, after, strict=True)] == [True, False, True]
    assert server.refused("POST", "workers/nobody/restart") == (400, "invalid_value", "model")
    assert server.refused("POST", "workers/one/restart", {"at": 5}) == (400, "unknown_parameter", "at")


def test_what_is_in_force_and_where_it_comes_from(server: Running) -> None:
    assert server.settings("kernel.queue", "kernel.listen", "config.fair.ageing_s", "models.one.backend") == [
        (64, "default"),
        ("127.0.0.1:0", "--set"),
        (5.0, "plugins.toml:16"),
        ("scripted", "plugins.toml:7"),
    ]
    settings = server.answer("GET", "config")["settings"]
    live = {key for key, each in settings.items() if each["live"]}
    assert live == {"kernel.log_level", *(key for key in settings if key.startswith("config.fair."))}


def test_a_change_is_taken_over_by_all_workers_until_the_manifest_is_read_again(server: Running) -> None:
    body = {"settings": {'config.fair.weights."keys/ci"': 2, "config.fair.ageing_s": 3, "kernel.log_level": "warning"}}
    would = server.answer("PATCH", "config?dry_run=true", body)
    assert (would["dry_run"], would["workers"]) == (True, [])
    assert server.settings("config.fair.ageing_s") == [(5.0, "plugins.toml:16")]
    changed = server.answer("PATCH", "config", body)
    assert changed["changes"] == would["changes"]
    assert {each["key"]: (each["before"], each["after"]) for each in changed["changes"]} == {
        "kernel.log_level": ("info", "warning"),
        "config.fair.weights": ({}, {"keys/ci": 2.0}),
        "config.fair.ageing_s": (5.0, 3.0),
    }
    assert [(each["model"], each["answer"]) for each in changed["workers"]] == [("one", "taken"), ("two", "taken")]
    keys = ("config.fair.ageing_s", "config.fair.weights", "kernel.log_level")
    values = [(3.0, "changed live"), ({"keys/ci": 2.0}, "changed live"), ("warning", "changed live")]
    assert server.settings(*keys) == values
    server.process.kill("gateway")
    server.process.wait_ready()
    assert server.settings(*keys) == values, "a gateway that starts anew knows what holds"
    server.answer("POST", "config/reload")
    assert server.settings(*keys) == [(5.0, "plugins.toml:16"), ({}, "default"), ("info", "default")]


def test_reading_the_manifest_again_says_what_waits_for_a_restart_and_what_is_wrong(server: Running) -> None:
    text = server.manifest.read_text()
    try:
        server.manifest.write_text(
            text.replace("ageing_s = 5.0", "ageing_s = 7.0").replace("[kernel]", "[kernel]\nqueue=3")
        )
        read = server.answer("POST", "config/reload")
        assert [(each["key"], each["after"]) for each in read["changes"]] == [("config.fair.ageing_s", 7.0)]
        assert read["restart"] == ["kernel.queue"]
        for wrong, param in (("ageing_s = -1", "config.fair.ageing_s"), ("ageing_s = [", None)):
            server.manifest.write_text(text.replace("ageing_s = 5.0", wrong))
            assert server.refused("POST", "config/reload") == (400, "invalid_value", param)
        server.manifest.write_text(text.replace("[kernel]", '[kernel]\nlog_level = "loud"'))
        assert server.refused("POST", "config/reload") == (400, "invalid_value", "kernel.log_level")
        server.manifest.unlink()
        missing = server.ask("POST", "config/reload")
        assert (missing.status_code, "the server's log says why" in missing.text) == (400, True)
        assert server.settings("config.fair.ageing_s") == [(7.0, "plugins.toml:17")]
    finally:
        server.manifest.write_text(text)
        server.answer("POST", "config/reload")


def test_changes_at_the_same_moment_are_all_made(server: Running) -> None:
    """Weights of different tenants; none takes another's away."""
    with ThreadPoolExecutor(8) as several:
        keys = [f'config.fair.weights."keys/k{number}"' for number in range(16)]
        list(several.map(lambda key: server.answer("PATCH", "config", {"settings": {key: 4}}), keys))
    [(weights, _)] = server.settings("config.fair.weights")
    assert weights == {f"keys/k{number}": 4.0 for number in range(16)}
    server.answer("POST", "config/reload")


def test_changes_are_logged_with_who_asked_for_them(server: Running) -> None:
    server.answer("PATCH", "config", {"settings": {"kernel.log_level": "error"}})
    server.answer("POST", "config/reload")
    noted = [line for line in server.process.log.splitlines() if '"event":"administration"' in line]
    assert any('"kernel.log_level":"\\"error\\""' in line and '"principal":"all"' in line for line in noted)
    assert server.keys["all"] not in server.process.log
