"""Keys that are changed while the server runs: turns, faults, bounds. What all issuers promise is in their kit."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from jackfield import watched_files
from jackfield.errors import AuthenticatorFailed, Conflict, CredentialRevoked, KeyNotFound, Overloaded
from jackfield.ports.identity import Credential
from jackfield.ports.key_issuer import KeyGrant
from jackfield.secret import Secret
from jackfield_keys import changes, edit, file_storage, store
from jackfield_keys.file_storage import FileStorage
from jackfield_keys.issuer import KeysIssuer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.plugins.jackfield_keys.conftest import Keys

    from jackfield.ports.key_issuer import IssuedKey
    from jackfield.watched_files import Signature

GRANT = KeyGrant(name="new", scopes=("generate",))


def agreed(_affected: Sequence[IssuedKey], _others: Sequence[IssuedKey]) -> None:
    """Nothing is wrong."""


def issuer(keys: Keys) -> KeysIssuer:
    """One whose file has a key."""
    keys.make("ci")
    return KeysIssuer("keys", FileStorage("keys", keys.path, str(keys.path)))


class Held:
    """A writer of the key file that has begun, and goes on when it is told to."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, path: Path, text: str, shown: str) -> None:
        self.begun.set()
        assert self.go_on.wait(30)
        store.replace(path, text, shown)


def test_callers_do_not_learn_where_the_file_is(keys: Keys) -> None:
    """The log does, and why it cannot be used."""

    async def scenario() -> list[str]:
        asked = issuer(keys)
        with pytest.raises(KeyNotFound) as unknown:
            await asked.revoke("nobody", agreed)
        keys.path.chmod(0o644)
        said = [unknown.value.message]
        for call in (asked.issued(), asked.issue(GRANT), asked.revoke("ci", agreed)):
            with pytest.raises(AuthenticatorFailed) as failed:
                await call
            said.append(failed.value.message)
        return said

    with capture_logs() as lines:
        said = asyncio.run(scenario())
    assert not any(str(keys.path) in text or keys.path.name in text for text in said)
    assert any("chmod 600" in str(line.get("reason")) for line in lines)


def test_another_writer_is_waited_for_and_then_reported(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command may be writing; nothing has changed."""
    monkeypatch.setattr(store, "LOCK_S", 0.05)

    async def scenario() -> None:
        asked = issuer(keys)
        with store.locked(keys.path, "keys.toml"), pytest.raises(Overloaded):
            await asked.issue(GRANT)
        assert [each.name for each in await asked.issued()] == ["ci"]
        await asked.issue(GRANT)

    asyncio.run(scenario())


def test_changes_that_wait_take_no_threads_from_those_who_ask_who_calls(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are: one is at work, the others have not begun, and keys are judged meanwhile."""
    held = Held()
    key = keys.make("asks")

    async def scenario() -> int:
        asked = KeysIssuer("keys", FileStorage("keys", keys.path, "keys.toml"))
        monkeypatch.setattr(edit, "replace", held)
        grants = [KeyGrant(name=f"n{number}", scopes=("generate",)) for number in range(100)]
        changes = [asyncio.ensure_future(asked.issue(grant)) for grant in grants]
        assert await asyncio.to_thread(held.begun.wait, 30)
        for change in changes[10:]:
            change.cancel()
        async with asyncio.timeout(30):
            assert await asked.authenticate(Credential("bearer", Secret(key))) is not None
        held.go_on.set()
        await asyncio.gather(*changes, return_exceptions=True)
        return len(await asked.issued())

    assert asyncio.run(scenario()) == 1 + 10


def test_a_change_whose_caller_left_is_whole_and_comes_before_the_next(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had begun."""
    held = Held()

    async def scenario() -> list[str]:
        asked = issuer(keys)
        monkeypatch.setattr(edit, "replace", held)
        left = asyncio.ensure_future(asked.issue(GRANT))
        assert await asyncio.to_thread(held.begun.wait, 30)
        left.cancel()
        await asyncio.gather(left, return_exceptions=True)
        listing = asyncio.ensure_future(asked.issued())
        await asyncio.sleep(0)
        held.go_on.set()
        return [each.name for each in await listing]

    assert asyncio.run(scenario()) == ["ci", "new"]


def test_there_are_no_more_keys_than_are_read(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more would lock everybody out; a rotation adds one."""
    monkeypatch.setattr(changes, "KEYS_MAX", 2)

    async def scenario() -> None:
        asked = issuer(keys)
        await asked.issue(GRANT)
        before = keys.path.read_bytes()
        with pytest.raises(Conflict):
            await asked.issue(KeyGrant(name="third", scopes=("generate",)))
        with pytest.raises(Conflict):
            await asked.rotate("new", agreed, grace_s=0, expires=None)
        assert keys.path.read_bytes() == before

    asyncio.run(scenario())


def test_the_file_grows_no_larger_than_is_read(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that nobody reads any more would lock everybody out."""

    async def scenario() -> None:
        asked = issuer(keys)
        before = keys.path.read_bytes()
        monkeypatch.setattr(edit, "FILE_BYTES_MAX", len(before) + 50)
        with pytest.raises(AuthenticatorFailed):
            await asked.issue(GRANT)
        assert keys.path.read_bytes() == before

    asyncio.run(scenario())


def test_a_look_that_began_before_a_change_is_not_what_it_is_judged_by(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has read the file as it was; once the change has returned, the new one holds."""
    monkeypatch.setattr(watched_files, "SETTLED_NS", 10**18)  # so that the look reads
    key = keys.make("ci")
    storage = keys.storage()
    begun, written = threading.Event(), threading.Event()

    def slow(path: Path, shown: str) -> tuple[str, Signature | None]:
        read = store.read(path, shown)
        begun.set()
        assert written.wait(30)
        return read

    def replace(path: Path, text: str, shown: str) -> None:
        store.replace(path, text, shown)
        written.set()

    async def scenario() -> None:
        asked = KeysIssuer("keys", storage)
        monkeypatch.setattr(file_storage, "read", slow)
        monkeypatch.setattr(edit, "replace", replace)
        looking = asyncio.create_task(asked.authenticate(Credential("bearer", Secret(key))))
        await asyncio.to_thread(begun.wait, 30)
        monkeypatch.setattr(file_storage, "read", store.read)
        await asked.revoke("ci", agreed)
        assert await looking is not None, "it was good when it was asked about"
        with pytest.raises(CredentialRevoked):
            await asked.authenticate(Credential("bearer", Secret(key)))

    monkeypatch.setattr(file_storage, "LOOK_S", 0.0)
    asyncio.run(scenario())
    assert keys.file.records()[0].revoked is not None
