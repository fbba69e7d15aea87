"""A server that is run over HTTP, in this process."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

from jackfield.gateway import failures
from jackfield.testing.background import BackgroundLoop
from jackfield.testing.inprocess import InProcessServer
from jackfield.testing.manifests import scripted_manifest
from jackfield_keys.edit import Grant, KeyFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

DEADLINE_S = 30.0


class Administered:
    """A server, and keys of all kinds."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.path = folder / "keys.toml"
        self.file = KeyFile(self.path, self.path.name)
        self.keys = {"": ""}

    def key(self, name: str, *scopes: str, models: Sequence[str] | None = None, priority: int = 0) -> str:
        """A key of that name, made once, on the command line's way; the name stands for it."""
        if name not in self.keys:
            self.keys[name] = self.file.create(Grant(name, "", scopes, models, None, priority))[0]
            if self.url:
                self._wait_known(name)
        return name

    def _wait_known(self, name: str) -> None:
        """A running server looks at the file from time to time; until then the key is a stranger's."""
        deadline = time.monotonic() + DEADLINE_S
        while self.ask("GET", "keys", who=name).json().get("error", {}).get("code") == "invalid_api_key":
            assert time.monotonic() < deadline, f"the key {name} is not known"

    def ask(
        self, method: str, path: str, body: object = None, *, who: str = "all", data: bytes | None = None
    ) -> requests.Response:
        """One request of whoever holds that key."""
        headers = {"Authorization": f"Bearer {self.keys[who]}"} if who else {}
        sent = data if data is not None else None if body is None else json.dumps(body)
        return requests.request(method, f"{self.url}/admin/v1/{path}", data=sent, headers=headers, timeout=DEADLINE_S)

    def answer(self, method: str, path: str, body: object = None, *, who: str = "all") -> Any:
        """What is answered to a request that is served."""
        reply = self.ask(method, path, body, who=who)
        assert reply.status_code in {200, 201}, reply.text
        return reply.json()

    def refused(self, method: str, path: str, body: object = None, *, who: str = "all") -> tuple[int, str, str | None]:
        """Status, code and param of an error."""
        reply = self.ask(method, path, body, who=who)
        error = reply.json()["error"]
        assert error["message"]
        return reply.status_code, error["code"], error["param"]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Administered]:
    """In this process: there is no supervisor. The key ``all`` may do everything."""
    folder = tmp_path_factory.mktemp("server")
    made = Administered("", folder)
    made.key("all", "*")
    with BackgroundLoop() as loop, pytest.MonkeyPatch.context() as patch:
        patch.setattr(failures, "BURST", 1_000_000)  # refused keys are what is looked for here
        server = InProcessServer(scripted_manifest(enabled=("admin", "keys"), scheduler="fair"), folder, loop)
        made.url = server.target.url
        yield made
        server.close()
