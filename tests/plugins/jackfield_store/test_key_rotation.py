"""A server that runs while the key of its store is rotated: SIGHUP has it look at the secret anew."""

from __future__ import annotations

import secrets
import signal
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import requests

from jackfield.testing.command import run_command
from jackfield.testing.manifests import scripted_manifest
from jackfield.testing.serve import ServeProcess
from jackfield.testing.steps.keys import create

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from jackfield.testing.background import BackgroundLoop

DEADLINE_S = 30.0
ENABLED = ("admin", "keys", "store", "secrets")
STAYS = "its secrets stay as they were"
OTHER = "config.store.key: the policy store is sealed with another key"
OPTIONS = '\n[config.store]\nkey = "file:store.key"\n'


class Rotated:
    """A server with a store, and what may happen to the store's key.

    Parameters:
        server: Ready.
        operator: Key of somebody who may do everything.
    """

    def __init__(self, server: ServeProcess, operator: str) -> None:
        self.server = server
        self.operator = operator
        self.file = server.folder / "store.key"

    def put(self, secret: str) -> None:
        """This is the secret from now on; the one before is kept beside it."""
        old = self.file.with_name("old.key")
        old.touch(0o600)
        old.write_text(self.file.read_text())
        self.file.write_text(secret)

    def hang_up(self, *, trouble: str | None) -> None:
        """SIGHUP, and the wait until ``/readyz`` says *trouble* and the log does, or none of it."""
        self.server.signal(signal.SIGHUP)
        if trouble is None:
            self.server.wait("rid of its trouble", lambda: STAYS not in self.detail())
            return
        said = f"{STAYS}: {trouble}"
        self.server.wait("telling its trouble", lambda: said in self.detail())
        assert "secrets cannot be taken up" in self.server.log

    def detail(self) -> str:
        """What ``/readyz`` says."""
        target = self.server.target
        return target.run(target.probe.request("GET", "/readyz")).body.decode()

    def ask(
        self, key: str, method: str = "GET", path: str = "/v1/models", body: Mapping[str, str] | None = None
    ) -> int:
        """The status that one request of whoever has *key* gets."""
        headers = {"Authorization": f"Bearer {key}"}
        url = f"{self.server.target.url}{path}"
        return requests.request(method, url, headers=headers, json=body, timeout=DEADLINE_S).status_code

    def works(self, name: str) -> None:
        """Documents are read and written: a new key is known at once."""
        assert self.ask(self.operator, "POST", "/admin/v1/keys", {"name": name}) == 201
        assert self.ask(self.operator) == 200


@pytest.fixture(params=["00" * 32, "correct horse battery"], ids=["key", "passphrase"])
def rotated(request: pytest.FixtureRequest, tmp_path: Path, background: BackgroundLoop) -> Iterator[Rotated]:
    """Its store is sealed with a key, or a passphrase."""
    (tmp_path / "store.key").touch(0o600)
    (tmp_path / "store.key").write_text(request.param)
    text = scripted_manifest(enabled=ENABLED) + OPTIONS
    (tmp_path / "plugins.toml").write_text(text)
    operator = create("operator --scope *", tmp_path)
    with closing(ServeProcess(text, tmp_path, background)) as server:
        server.wait_ready()
        yield Rotated(server, operator)


def test_a_rotated_key_is_taken_up_without_a_restart(rotated: Rotated) -> None:
    """By the process that runs; it is never unable to read or to write, also between secret and store."""
    gateway = rotated.server.children("gateway")
    rotated.put(secrets.token_hex(32))
    rotated.hang_up(trouble=OTHER)
    rotated.works("between")
    done = run_command("store rotate-key --from file:old.key", rotated.server.folder)
    assert done.code == 0, done.output
    rotated.hang_up(trouble=None)
    rotated.works("after")
    assert rotated.server.children("gateway") == gateway
    assert run_command("store list --json", rotated.server.folder).code == 0


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        (None, "file:store.key: cannot be read"),
        ("11" * 32, OTHER),
        ("", "file:store.key: it is empty"),
    ],
    ids=["missing", "another", "empty"],
)
def test_a_secret_that_is_wrong_changes_nothing_and_is_said(rotated: Rotated, secret: str | None, said: str) -> None:
    """What was read with the old one is read and written on; the right one ends it."""
    old = rotated.file.read_text()
    if secret is None:
        rotated.file.unlink()
    else:
        rotated.file.write_text(secret)
    rotated.hang_up(trouble=said)
    rotated.works("meanwhile")
    assert old not in rotated.server.log + rotated.detail()
    rotated.file.touch(0o600)
    rotated.file.write_text(old)
    rotated.hang_up(trouble=None)
    rotated.works("afterwards")


def test_a_store_that_was_rotated_to_a_key_we_lack_refuses_until_it_is_there(rotated: Rotated) -> None:
    """What was read last is too old at some time; then nobody is let in."""
    old = rotated.file.read_text()
    rotated.put("22" * 32)
    rotated.file.rename(rotated.file.with_name("new.key"))
    text = (rotated.server.folder / "plugins.toml").read_text()
    (rotated.server.folder / "plugins.toml").write_text(text.replace("file:store.key", "file:new.key"))
    done = run_command("store rotate-key --from file:old.key", rotated.server.folder)
    assert done.code == 0, done.output
    rotated.file.touch(0o600)
    rotated.file.write_text(old)
    rotated.hang_up(trouble=OTHER)
    rotated.server.wait("refusing", lambda: rotated.ask(rotated.operator) == 503)
    rotated.file.write_text("22" * 32)
    rotated.hang_up(trouble=None)
    rotated.server.wait("serving again", lambda: rotated.ask(rotated.operator) == 200)
    rotated.works("again")
