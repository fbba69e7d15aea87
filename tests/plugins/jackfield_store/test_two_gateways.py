"""Two servers, as processes, that share a file."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

import requests

from jackfield.testing.manifests import scripted_manifest
from jackfield.testing.serve import ServeProcess
from jackfield.testing.steps.keys import create

if TYPE_CHECKING:
    from pathlib import Path

    from jackfield.testing.background import BackgroundLoop

DEADLINE_S = 30.0


def ask(server: ServeProcess, key: str, method: str = "GET", path: str = "/v1/models") -> requests.Response:
    """One request of whoever has *key*."""
    headers = {"Authorization": f"Bearer {key}"}
    return requests.request(method, f"{server.target.url}{path}", headers=headers, timeout=DEADLINE_S)


def test_what_one_revokes_the_other_refuses(tmp_path: Path, background: BackgroundLoop) -> None:
    """Also one whose gateway was killed meanwhile; and a command takes part."""
    (tmp_path / "store.key").touch(mode=0o600)
    (tmp_path / "store.key").write_text("00" * 32)
    file, key = json.dumps(str(tmp_path / "policies.db")), json.dumps(f"file:{tmp_path / 'store.key'}")
    text = f"{scripted_manifest(enabled=('admin', 'keys', 'store'))}\n[config.store]\nfile = {file}\nkey = {key}\n"
    folders = [tmp_path / name for name in ("one", "other")]
    for folder in folders:
        folder.mkdir()
        (folder / "plugins.toml").write_text(text)
    operator = create("operator --scope *", folders[0])
    with (
        closing(ServeProcess(text, folders[0], background)) as one,
        closing(ServeProcess(text, folders[1], background)) as other,
    ):
        one.wait_ready()
        other.wait_ready()
        ann = create("ann", folders[1])
        for server in (one, other):
            server.wait("knowing ann", lambda server=server: ask(server, ann).status_code == 200)  # type: ignore[misc]
        other.kill("gateway")
        assert ask(one, operator, "DELETE", "/admin/v1/keys/ann").status_code == 200
        assert ask(one, ann).status_code == 401
        other.wait_ready()
        other.wait("refusing ann", lambda: ask(other, ann).status_code == 401)
        assert ask(other, operator).status_code == 200
