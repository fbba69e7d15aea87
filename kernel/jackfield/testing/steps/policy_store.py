"""Steps: gateways that share a policy store, its operators, and its file."""

from __future__ import annotations

import json
import secrets
import subprocess
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import pytest
from pytest_bdd import given, then, when

from jackfield.testing.manifests import scripted_manifest
from jackfield.testing.steps.keys import create
from jackfield.testing.steps.words import words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from jackfield.testing.background import BackgroundLoop
    from jackfield.testing.client import JsonValue, Reply
    from jackfield.testing.inprocess import InProcessServer
    from jackfield.testing.target import Target

SLACK_S: Final = 25.0
"""Added to what is promised: on a busy machine answers take time of their own."""

_DOCUMENTS: Final = "/admin/v1/policy/documents"
_BESIDE: Final = ("", "-wal", "-shm")


class SharingGateways:
    """Two gateways in this process, in folders of their own, whose keys and limits are in one store.

    Parameters:
        folder: An empty one; commands run there.
        loop: Runs the gateways.
    """

    def __init__(self, folder: Path, loop: BackgroundLoop) -> None:
        from jackfield.testing.inprocess import InProcessServer

        self.folder = folder
        self.keys: dict[str, str] = {}
        self._servers: list[InProcessServer] = []
        self.exchange_secret()
        manifest = self._manifest()
        (folder / "plugins.toml").write_text(manifest)
        self.keys["operator"] = create("operator --scope *", folder)
        for name in ("first", "second"):
            (folder / name).mkdir()
            self._servers.append(InProcessServer(manifest, folder / name, loop))

    @property
    def targets(self) -> list[Target]:
        """Both, the first one first."""
        return [server.target for server in self._servers]

    def named(self, which: str) -> Target:
        """The ``first`` or the ``second``."""
        return self.targets[("first", "second").index(which)]

    def operate(
        self, which: str, method: str, path: str, body: bytes | None = None, condition: tuple[str, str] | None = None
    ) -> Reply:
        """What the operator is answered there."""
        target = self.named(which)
        headers = {"Authorization": f"Bearer {self.keys['operator']}", **dict([condition] if condition else [])}
        return target.run(target.client.request(method, path, body, headers=headers))

    def ask(self, target: Target, key: str) -> Reply:
        """What the holder of the key of that name is answered."""
        headers = {"Authorization": f"Bearer {self.keys[key]}"}
        body: JsonValue = {"model": target.client.model, "messages": [{"role": "user", "content": "hello"}]}
        return target.run(target.client.request("POST", "/v1/chat/completions", body, headers=headers))

    def until(self, seconds: float, what: str, reached: Callable[[Target], bool]) -> None:
        """Wait until *reached* of both gateways."""
        deadline = time.monotonic() + seconds + SLACK_S
        for target in self.targets:
            while not reached(target):
                assert time.monotonic() < deadline, f"not {what} in time"
                time.sleep(0.02)

    def exchange_secret(self) -> None:
        """Another one, in the same place."""
        file = self.folder / "store.key"
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(32))

    def move_store(self, *, away: bool) -> None:
        """Its files, to another name or back."""
        for ending in _BESIDE:
            here, there = self.folder / f"policies.db{ending}", self.folder / f"hidden.db{ending}"
            if not away:
                here, there = there, here
            if here.exists():
                here.rename(there)

    def close(self) -> None:
        """End both."""
        for server in self._servers:
            server.close()

    def _manifest(self) -> str:
        text = scripted_manifest(kernel="policy_stale_s = 1.0", enabled=("admin", "keys", "limits", "store"))
        file, key = self.folder / "policies.db", self.folder / "store.key"
        return f"{text}\n[config.store]\nfile = {json.dumps(str(file))}\nkey = {json.dumps(f'file:{key}')}\n"


@pytest.fixture
def sharing(tmp_path: Path, background: BackgroundLoop) -> Iterator[SharingGateways]:
    """A scenario's own gateways."""
    gateways = SharingGateways(tmp_path, background)
    yield gateways
    gateways.close()


@given("two gateways that share a policy store")
def two_gateways(sharing: SharingGateways) -> None:
    """Each serves a scripted model; an operator has a key."""
    assert len(sharing.targets) == 2


@given(words("the key {name:Text} in the policy store"))
def key_in_store(sharing: SharingGateways, name: str) -> None:
    """Made with ``jackfield keys create`` while both run."""
    sharing.keys[name] = create(name, sharing.folder)


@when(words("the operator of the {which} gateway revokes the key {name:Text}"), target_fixture="reply")
def revoke_at(sharing: SharingGateways, which: str, name: str) -> Reply:
    """Over HTTP."""
    return sharing.operate(which, "DELETE", f"/admin/v1/keys/{name}")


@when(words("the operator of the {which} gateway writes the document {name:Text}"), target_fixture="reply")
def write_at(sharing: SharingGateways, which: str, name: str, docstring: str) -> Reply:
    """Whatever was there."""
    return sharing.operate(which, "PUT", f"{_DOCUMENTS}/{name}", docstring.encode())


@when(
    words("the operator of the {which} gateway writes the document {name:Text}, as the first one had read it before"),
    target_fixture="reply",
)
def write_unread(sharing: SharingGateways, which: str, name: str, docstring: str) -> Reply:
    """Only where it is not there: so the first one had found it."""
    condition = ("If-None-Match", "*")
    return sharing.operate(which, "PUT", f"{_DOCUMENTS}/{name}", docstring.encode(), condition)


@when(words("the operator of the {which} gateway deletes the document {name:Text}"), target_fixture="reply")
def delete_at(sharing: SharingGateways, which: str, name: str) -> Reply:
    """It must be there."""
    reply = sharing.operate(which, "DELETE", f"{_DOCUMENTS}/{name}")
    assert reply.status == HTTPStatus.OK, reply.summary
    return reply


@when("the file of the policy store is taken away")
def store_away(sharing: SharingGateways) -> None:
    """Under the feet of both."""
    sharing.move_store(away=True)


@when("the file of the policy store is put back")
def store_back(sharing: SharingGateways) -> None:
    """As it was."""
    sharing.move_store(away=False)


@when("the secret of the policy store is exchanged")
def secret_exchanged(sharing: SharingGateways) -> None:
    """Somebody has lost it."""
    sharing.exchange_secret()


@then(words("within {seconds:g} seconds both gateways answer the key {name:Text}"))
def both_answer(sharing: SharingGateways, seconds: float, name: str) -> None:
    """A chat of its holder."""
    sharing.until(seconds, "answered", lambda target: sharing.ask(target, name).status == HTTPStatus.OK)


@then(words("within {seconds:g} seconds both gateways refuse the key {name:Text} with {status:d} {code:Text}"))
def both_refuse(sharing: SharingGateways, seconds: float, name: str, status: int, code: str) -> None:
    """A chat of its holder."""

    def refused(target: Target) -> bool:
        reply = sharing.ask(target, name)
        return reply.status == status and reply.error.code == code

    sharing.until(seconds, f"refused with {status}", refused)


@then(words("both gateways say on {path:Text} that {text:Text}"))
def both_say(sharing: SharingGateways, path: str, text: str) -> None:
    """On the health port, which stays open."""
    for target in sharing.targets:
        assert text in target.run(target.probe.request("GET", path)).body.decode()


@then(words("the files of the policy store do not mention {text:Text}"))
def files_do_not_mention(sharing: SharingGateways, text: str) -> None:
    """Which stands in each key's document."""
    for ending in _BESIDE:
        # whoever opens and closes the file in this process gives up the locks of both gateways
        file = sharing.folder / f"policies.db{ending}"
        read = subprocess.run(["/bin/cat", str(file)], stdout=subprocess.PIPE, check=True).stdout
        assert read
        assert text.encode() not in read
