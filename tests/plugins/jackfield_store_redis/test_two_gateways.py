"""Two gateways that share a Redis."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import requests

from jackfield.testing.background import BackgroundLoop
from jackfield.testing.inprocess import InProcessServer
from jackfield.testing.manifests import scripted_manifest
from jackfield.testing.steps.keys import create

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jackfield.testing.redis_server import RedisServer

DEADLINE_S = 30.0


def until(reached: Callable[[], bool]) -> None:
    """Wait for it."""
    deadline = time.monotonic() + DEADLINE_S
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_one_revokes_the_other_refuses_and_a_cut_link_lets_nobody_in(
    tmp_path: Path, own_server: RedisServer
) -> None:
    """Until Redis answers again."""
    (tmp_path / "store.key").touch(mode=0o600)
    (tmp_path / "store.key").write_text("00" * 32)
    options = f"url = {json.dumps(own_server.url)}\nkey = {json.dumps(f'file:{tmp_path}/store.key')}"
    manifest = scripted_manifest(kernel="policy_stale_s = 1.0", enabled=("admin", "keys", "store-redis"))
    text = f"{manifest}\n[config.store-redis]\n{options}\n"
    (tmp_path / "plugins.toml").write_text(text)
    operator, ann = create("operator --scope *", tmp_path), create("ann", tmp_path)

    def status(server: InProcessServer, key: str, method: str = "GET", path: str = "/v1/models") -> int:
        headers = {"Authorization": f"Bearer {key}"}
        return requests.request(method, f"{server.target.url}{path}", headers=headers, timeout=DEADLINE_S).status_code

    with BackgroundLoop() as loop, ExitStack() as stack:
        servers: list[InProcessServer] = []
        for name in ("one", "other"):
            (tmp_path / name).mkdir()
            servers.append(stack.enter_context(closing(InProcessServer(text, tmp_path / name, loop))))
        assert [status(server, ann) for server in servers] == [200, 200]
        assert status(servers[0], operator, "DELETE", "/admin/v1/keys/ann") == 200
        assert status(servers[0], ann) == 401
        until(lambda: status(servers[1], ann) == 401)
        own_server.pause()
        for server in servers:
            until(lambda server=server: status(server, operator) == 503)  # type: ignore[misc]
            until(lambda server=server: status(server, ann) == 503)  # type: ignore[misc]
        own_server.resume()
        for server in servers:
            until(lambda server=server: status(server, operator) == 200)  # type: ignore[misc]
            assert status(server, ann) == 401
