"""Keys in the policy store: for gateways that go by its documents, and for commands."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from tests.plugins.jackfield_keys.kept import Kept, MemoryStore

from jackfield.errors import (
    AuthenticatorFailed,
    Conflict,
    CredentialBlocked,
    CredentialRevoked,
    InvalidRequest,
    KeyNotFound,
    StoreUnavailable,
)
from jackfield.ports.identity import Credential, Principal, fingerprint
from jackfield.ports.key_issuer import KeyChange, KeyGrant
from jackfield.ports.policy_store import DocumentName, Governed
from jackfield.secret import Secret
from jackfield.testing.kits.authenticator import AuthenticatorKit
from jackfield.testing.kits.key_issuer import KeyIssuerKit
from jackfield_keys import document_storage
from jackfield_keys.checks import KeysCheck
from jackfield_keys.document_storage import LAST_USED, KeyDocuments
from jackfield_keys.edit import Grant
from jackfield_keys.issuer import StoredKeysIssuer
from jackfield_keys.key import new_key
from jackfield_keys.records import KIND
from jackfield_keys.stored import ATTEMPTS, StoredKeys

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from tests.plugins.jackfield_keys.conftest import Keys

    from jackfield.ports.identity import AuthenticatorFactory
    from jackfield.ports.key_issuer import IssuedKey
    from jackfield_keys.records import KeyRecord

T = TypeVar("T")

GRANT = KeyGrant(name="ci", scopes=("generate",), team="search")


def agreed(_affected: Sequence[IssuedKey], _others: Sequence[IssuedKey]) -> None:
    """Nothing is wrong."""


def with_two(scenario: Callable[[Kept, StoredKeysIssuer, StoredKeysIssuer], Awaitable[T]]) -> T:
    """Run *scenario* with two gateways of one store."""

    async def run() -> T:
        kept, one, two = Kept(), StoredKeysIssuer("keys"), StoredKeysIssuer("keys")
        await kept.govern(one, two)
        async with asyncio.timeout(30):
            return await scenario(kept, one, two)

    return asyncio.run(run())


async def who(issuer: StoredKeysIssuer, key: Secret | str) -> Principal | None:
    """Who presents *key*."""
    return await issuer.authenticate(Credential("bearer", key if isinstance(key, Secret) else Secret(key)))


def governed() -> StoredKeysIssuer:
    """One of a store of its own, which is empty."""
    issuer = StoredKeysIssuer("keys")
    at_once(Kept().govern(issuer))
    return issuer


def at_once(call: Coroutine[object, None, None]) -> None:
    """Make a call that waits for nobody, whether an event loop runs or not."""
    with pytest.raises(StopIteration):
        call.send(None)


class TestIssuer(KeyIssuerKit):
    """The same promises as of a file."""

    @pytest.fixture
    def make_issuer(self) -> AuthenticatorFactory:
        return governed


class TestAuthenticator(AuthenticatorKit):
    """The same promises as of a file."""

    @pytest.fixture
    def kept(self) -> tuple[dict[str, bytes], str]:
        """Documents, with one key."""

        async def make(kept: Kept, one: StoredKeysIssuer, _: StoredKeysIssuer) -> tuple[dict[str, bytes], str]:
            made = await one.issue(GRANT)
            return kept.documents, made.key.reveal()

        return with_two(make)

    @pytest.fixture
    def credential(self, kept: tuple[dict[str, bytes], str]) -> str:
        return kept[1]

    @pytest.fixture
    def make_authenticator(self, kept: tuple[dict[str, bytes], str]) -> AuthenticatorFactory:
        def make() -> StoredKeysIssuer:
            issuer = StoredKeysIssuer("keys")
            at_once(issuer.adopt(kept[0]))
            return issuer

        return make


def test_the_kernel_sees_that_it_goes_by_documents(keys: Keys) -> None:
    """Keys in a file do not: nobody else keeps them."""
    from jackfield_keys.issuer import KeysIssuer

    keys.make()
    assert isinstance(StoredKeysIssuer("keys"), Governed)
    assert not isinstance(KeysIssuer("keys", keys.storage()), Governed)


def test_until_the_documents_are_there_nobody_is_let_in() -> None:
    """It cannot be told."""
    with pytest.raises(AuthenticatorFailed):
        asyncio.run(who(StoredKeysIssuer("keys"), new_key()))
    with pytest.raises(AuthenticatorFailed):
        asyncio.run(StoredKeysIssuer("keys").issue(GRANT))


def test_what_one_gateway_changes_the_other_goes_by() -> None:
    """Made, blocked, rotated and revoked; and nothing that could open a door is in a document."""

    async def scenario(kept: Kept, one: StoredKeysIssuer, two: StoredKeysIssuer) -> None:
        made = await one.issue(GRANT)
        principal = await who(two, made.key)
        assert principal is not None
        assert (principal.name, principal.team) == ("ci", "search")
        await two.change("ci", KeyChange(blocked=True), agreed)
        with pytest.raises(CredentialBlocked):
            await who(one, made.key)
        await two.change("ci", KeyChange(blocked=False), agreed)
        new = await one.rotate("ci", agreed, grace_s=3600, expires=None)
        assert await who(two, made.key) is not None
        assert await who(two, new.key) is not None
        await two.revoke("ci", agreed)
        for key in (made.key, new.key):
            with pytest.raises(CredentialRevoked):
                await who(one, key)
        assert not any(key.reveal().encode() in b"".join(kept.documents.values()) for key in (made.key, new.key))

    with_two(scenario)


@pytest.mark.parametrize("back", ["older", "gone and back"])
def test_a_revoked_key_never_comes_back(back: str) -> None:
    """Also where somebody puts older documents into the store; the log is loud."""

    async def scenario(kept: Kept, one: StoredKeysIssuer, _: StoredKeysIssuer) -> None:
        made = await one.issue(GRANT)
        older = dict(kept.documents)
        await one.revoke("ci", agreed)
        if back == "gone and back":
            await kept.put({})
        with capture_logs() as lines:
            await kept.put(older)
        assert any(line["log_level"] == "error" and "lost revocations" in line["event"] for line in lines)
        with pytest.raises(CredentialRevoked):
            await who(one, made.key)

    with_two(scenario)


def test_a_key_whose_document_is_gone_is_nobodys() -> None:
    """At once."""

    async def scenario(kept: Kept, one: StoredKeysIssuer, _: StoredKeysIssuer) -> None:
        made = await one.issue(GRANT)
        await kept.put({})
        assert await who(one, made.key) is None

    with_two(scenario)


def test_uses_are_in_one_document() -> None:
    """Of all gateways; it grows with the keys that are there, not with requests."""

    async def scenario(kept: Kept, one: StoredKeysIssuer, two: StoredKeysIssuer) -> None:
        first = await one.issue(GRANT)
        second = await one.issue(KeyGrant(name="other", scopes=("embed",)))
        before = kept.writes
        for _ in range(10):
            await who(one, first.key)
            await who(two, second.key)
        assert kept.writes == before
        await one.close()
        await two.close()
        assert kept.writes == before + 2
        times = msgspec.json.decode(kept.documents[LAST_USED])["last_used"]
        assert times.keys() == {first.issued.fingerprint, second.issued.fingerprint}
        assert all(each.last_used is not None for each in await two.issued())
        gone = first.issued.fingerprint
        await kept.put({name: data for name, data in kept.documents.items() if not name.startswith(gone)})
        await who(one, second.key)
        await one.close()
        assert len(msgspec.json.decode(kept.documents[LAST_USED])["last_used"]) == 1

    with_two(scenario)


GOOD = msgspec.json.encode(
    {"name": "ci", "digest": f"sha256:{7:064x}", "scopes": ["embed"], "created": datetime(2026, 1, 1, tzinfo=UTC)}
)
NAME = f"{7:064x}"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        (NAME, b"{"),
        (NAME, b"[]"),
        (NAME, b"[" * 100_000),
        (NAME, b"\xff"),
        (NAME, GOOD.replace(b"embed", b"Embed")),
        (NAME, GOOD.replace(b'"ci"', b"7")),
        (NAME, GOOD.replace(b'"name"', b'"nam"')),
        (NAME, GOOD.replace(b"{", b'{"later": 1,', 1)),
        ("ci", GOOD),
        (LAST_USED, b"{}"),
        (LAST_USED, GOOD),
    ],
)
def test_a_document_that_is_no_key_stops_nobody_else(name: str, data: bytes) -> None:
    """It lets nobody in, is named, and stays; other keys can be made and revoked as before."""

    async def scenario(kept: Kept, one: StoredKeysIssuer, two: StoredKeysIssuer) -> None:
        made, other = await one.issue(GRANT), await one.issue(KeyGrant(name="other", scopes=("embed",)))
        with capture_logs() as lines:
            await kept.put({**kept.documents, name: data})
        assert [line["documents"] for line in lines if line["log_level"] == "error"] == [[name], [name]]
        assert name in " ".join(one.troubles)
        await two.revoke("ci", agreed)
        with pytest.raises(CredentialRevoked):
            await who(one, made.key)
        assert await who(one, other.key) is not None
        assert kept.documents[name] == data
        await one.close()
        assert [each.last_used is not None for each in await two.issued()] == [False, True]
        with capture_logs() as lines:
            await kept.put({each: content for each, content in kept.documents.items() if each != name})
        assert one.troubles == ()
        assert lines == [], "there is nothing to complain of any more"

    with_two(scenario)


@given(name=st.text(max_size=20), data=st.binary(max_size=60))
def test_no_document_is_a_surprise(name: str, data: bytes) -> None:
    """It is named, and there is no key."""
    read = KeyDocuments().read({name: data})
    assert (list(read.records), list(read.unusable)) == ([], [name])


def test_there_are_no_more_keys_than_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither made nor adopted."""
    monkeypatch.setattr(document_storage, "KEYS_MAX", 1)
    more = {f"{number:064x}": GOOD.replace(NAME.encode(), f"{number:064x}".encode()) for number in range(2)}
    with pytest.raises(InvalidRequest, match="more than 1 keys"):
        KeyDocuments().read(more)


def test_many_keys_are_read_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once; what has not changed is not read again."""
    many = {f"{number:064x}": GOOD.replace(NAME.encode(), f"{number:064x}".encode()) for number in range(200)}
    read: list[str] = []
    inner = document_storage._record

    def counted(name: str, data: bytes) -> KeyRecord:
        read.append(name)
        return inner(name, data)

    monkeypatch.setattr(document_storage, "_record", counted)

    async def scenario(kept: Kept, one: StoredKeysIssuer, _: StoredKeysIssuer) -> None:
        await one.adopt(many)
        assert len(read) == 200
        await one.adopt({**many, NAME: GOOD.replace(b"embed", b"rerank")})
        assert len(read) == 201
        assert len(await one.issued()) == 200

    with_two(scenario)


# --- commands --------------------------------------------------------------------------------------------------------


def test_commands_change_the_same_documents() -> None:
    """And gateways go by what they write."""
    store = MemoryStore()
    keys = StoredKeys(store.open)
    made = keys.create(Grant("ci", "build", ("generate",), None, None))
    new = keys.rotate("ci", timedelta(hours=1), None)
    keys.alter(new.record.fingerprint, KeyChange(team="search"))
    assert [(each.name, each.team) for each in keys.records()] == [("ci", ""), ("ci", "search")]
    keys.revoke(made.record.fingerprint)
    with pytest.raises(KeyNotFound):
        keys.revoke("nobody")
    assert store.opened == 0, "it is closed each time"

    async def judge() -> None:
        gateway = StoredKeysIssuer("keys")
        await gateway.adopt({name.name: data for name, data in store.documents.items()})
        principal = await who(gateway, new.key)
        assert principal is not None
        assert principal.fingerprint == fingerprint(new.key)
        with pytest.raises(CredentialRevoked):
            await who(gateway, made.key)

    asyncio.run(judge())


def test_commands_revoke_beside_a_document_that_is_no_key() -> None:
    """And ``jackfield doctor`` names it."""
    store = MemoryStore()
    keys = StoredKeys(store.open)
    keys.create(Grant("ci", "", ("generate",), None, None))
    store.documents |= {DocumentName(KIND, NAME): b"{}", DocumentName(KIND, LAST_USED): b"[]"}
    assert [each.name for each in keys.revoke("ci")] == ["ci"]
    assert keys.last_used() == {}
    result = KeysCheck(keys, "the policy store", "keys").run()
    assert (result.level, NAME in result.message) == ("error", True)


def test_a_command_tries_again_where_somebody_was_faster() -> None:
    """Not for ever."""
    store = MemoryStore()
    keys = StoredKeys(store.open)
    store.conflicts = 3
    keys.create(Grant("ci", "", ("generate",), None, None))
    store.conflicts = ATTEMPTS
    with pytest.raises(StoreUnavailable):
        keys.create(Grant("other", "", ("generate",), None, None))
    assert [each.name for each in keys.records()] == ["ci"]


def test_keys_of_a_file_are_taken_over(keys: Keys) -> None:
    """Also those that are refused; what is there already stays, also where the file says something older."""
    for number in range(3):
        keys.make(f"k{number}")
    keys.file.revoke("k1")
    older = keys.file.records()
    store = MemoryStore()
    stored = StoredKeys(store.open)
    assert len(stored.take_over(older)) == 3
    stored.revoke("k2")
    assert list(stored.take_over(older)) == []
    assert {each.name: each.revoked is not None for each in stored.records()} == {"k0": False, "k1": True, "k2": True}
    with pytest.raises(Conflict):
        stored.create(Grant("k0", "", ("generate",), None, None))
