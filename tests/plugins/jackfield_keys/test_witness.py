"""Which changes of a key file others have made, and which this server has made itself."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.plugins.jackfield_keys.kept import Kept

from jackfield.errors import ManifestError
from jackfield.ports.key_issuer import KeyChange, KeyGrant
from jackfield.ports.outside_change import OutsideChange, Watching
from jackfield.ports.policy_store import Describing
from jackfield_keys import file_storage, store
from jackfield_keys.changes import anyway, revoking
from jackfield_keys.document_storage import LAST_USED
from jackfield_keys.issuer import FiledKeysIssuer, StoredKeysIssuer
from jackfield_keys.key import digest_of, new_key
from jackfield_keys.records import KeyRecord
from jackfield_keys.witness import Witness

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from tests.plugins.jackfield_keys.conftest import Keys

    from jackfield.ports.key_issuer import IssuedKey
    from jackfield_keys.changes import Change, Result

DEADLINE_S: Final = 30.0
CREATED: Final = datetime(2027, 1, 31, tzinfo=UTC)
GRANT: Final = KeyGrant(name="new", scopes=("generate",))


def agreed(_affected: Sequence[IssuedKey], _others: Sequence[IssuedKey]) -> None:
    """Nothing is wrong."""


class Told:
    """What a kernel has been told."""

    def __init__(self) -> None:
        self.changes: list[OutsideChange] = []

    def __call__(self, change: OutsideChange) -> None:
        """See ``Tell``."""
        self.changes.append(change)

    def names(self, how: str) -> list[str]:
        """Of all keys that others have *how*."""
        return [name for change in self.changes for name in getattr(change, how)]

    async def until(self, reached: Callable[[], bool]) -> None:
        """Wait for it."""
        async with asyncio.timeout(DEADLINE_S):
            while not reached():  # noqa: ASYNC110 - polled under a deadline
                await asyncio.sleep(0.001)


def watched(keys: Keys, scenario: Callable[[FiledKeysIssuer, Told], Coroutine[None, None, None]]) -> Told:
    """What is told in *scenario*, which has a gateway's authenticator of *keys*."""
    told = Told()

    async def run() -> None:
        issuer = FiledKeysIssuer("keys", keys.storage())
        issuer.watch(told)
        try:
            await scenario(issuer, told)
        finally:
            await issuer.close()

    asyncio.run(run())
    return told


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for looks."""
    monkeypatch.setattr(file_storage, "FOLLOW_S", 0.005)


def test_what_a_command_does_is_told_though_nobody_uses_a_key(keys: Keys) -> None:
    """Created, changed and removed keys, with their fingerprints and without their digests."""
    old = keys.make("old")
    fingerprint = digest_of(old).hex()[:6]

    async def scenario(_issuer: FiledKeysIssuer, told: Told) -> None:
        new = keys.make("new")
        await told.until(lambda: told.names("created") == [f"new ({digest_of(new).hex()[:6]})"])
        keys.file.alter("old", KeyChange(team="search", roles=("reader",)))
        await told.until(lambda: told.names("changed") == [f"old ({fingerprint}): team, roles"])
        keys.file.revoke("old")
        await told.until(lambda: told.names("changed")[1:] == [f"old ({fingerprint}): revoked"])
        head, _, rest = keys.path.read_text().partition("[[keys]]\n")
        keys.path.write_text(f"{head}[[keys]]\n{rest.partition('[[keys]]')[2]}".replace("[[keys]]\n\n", "[[keys]]\n"))
        await told.until(lambda: told.names("removed") == [f"old ({fingerprint})"])

    told = watched(keys, scenario)
    assert {(change.kind, change.source) for change in told.changes} == {("key", "file")}
    assert digest_of(old).hex()[:12] not in repr(told.changes)


def test_what_the_server_itself_changes_is_not_told(keys: Keys) -> None:
    """Whoever asked for that is in the record already."""
    keys.make("ci")

    async def scenario(issuer: FiledKeysIssuer, told: Told) -> None:
        await issuer.issue(GRANT)
        await issuer.change("new", KeyChange(team="search"), agreed)
        await issuer.rotate("new", agreed, grace_s=60.0, expires=None)
        await issuer.revoke("ci", agreed)
        keys.make("later")
        await told.until(lambda: bool(told.names("created")))

    told = watched(keys, scenario)
    assert [name.split(" ")[0] for name in told.names("created")] == ["later"]
    assert told.names("changed") == told.names("removed") == []


def test_what_came_just_before_the_end_is_told(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks again: what is missed then is in no record."""
    monkeypatch.setattr(file_storage, "FOLLOW_S", DEADLINE_S)
    keys.make("ci")

    async def scenario(_issuer: FiledKeysIssuer, told: Told) -> None:
        keys.make("late")
        assert told.changes == []

    assert [name.split(" ")[0] for name in watched(keys, scenario).names("created")] == ["late"]


def test_what_nobody_wants_to_know_is_not_kept(keys: Keys) -> None:
    """No sink is enabled: a file that changes for years must not fill the memory. What comes later is told."""
    keys.make("ci")
    told = Told()

    async def scenario() -> None:
        storage = keys.storage()
        keys.make("early")
        await storage.follow()
        assert storage._witness.take() == []
        storage.watch(told)
        keys.make("late")
        await storage.close()

    asyncio.run(scenario())
    assert [name.split(" ")[0] for name in told.names("created")] == ["late"]


def test_a_file_that_comes_back_is_compared_with_what_was_there_before(keys: Keys) -> None:
    """While it cannot be read no key is good, and nothing has changed yet."""
    keys.make("ci")

    async def scenario(issuer: FiledKeysIssuer, told: Told) -> None:
        text = keys.path.read_text()
        keys.path.write_text("version = 7\n")
        await told.until(lambda: bool(issuer.troubles))
        keys.path.write_text(text)
        await told.until(lambda: not issuer.troubles)
        assert told.changes == []
        keys.make("new")
        await told.until(lambda: bool(told.names("created")))

    watched(keys, scenario)


def record(name: str, digest: int = 0, team: str = "") -> KeyRecord:
    """A key."""
    return KeyRecord(name=name, digest=f"sha256:{digest:064x}", scopes=("generate",), created=CREATED, team=team)


class File:
    """What a key file says, with the lock that its writers have."""

    def __init__(self, *records: KeyRecord) -> None:
        self.records = list(records)

    def apply(self, change: Change[Result]) -> Result:
        """As ``KeyFile.apply``."""
        result, altered = change(list(self.records))
        self.put(*altered)
        return result

    def put(self, *altered: KeyRecord) -> None:
        """Somebody writes."""
        kept = {each.digest: each for each in (*self.records, *altered)}
        self.records = list(kept.values())


def test_a_look_that_overlaps_with_an_own_change_counts_for_nothing() -> None:
    """It may have read the file as it was before: the change would look as if somebody had undone it."""
    file = File(record("a", 1))
    witness = Witness(file.records)
    begun, read = witness.begin(), list(file.records)
    witness.apply(lambda _: (None, [record("b", 2)]), file.apply)
    assert not witness.sees(read, begun)
    assert witness.sees(file.records, witness.begin())
    assert witness.take() == []


def test_a_look_within_an_own_change_counts_for_nothing() -> None:
    """In another thread; it is not held up."""
    file = File(record("a", 1))
    witness = Witness(file.records)
    looked: list[bool] = []

    def change(_: Sequence[KeyRecord]) -> tuple[None, Sequence[KeyRecord]]:
        look = threading.Thread(target=lambda: looked.append(witness.sees(file.records, witness.begin())))
        look.start()
        look.join(DEADLINE_S)
        return None, [record("b", 2)]

    witness.apply(change, file.apply)
    assert looked == [False]
    assert witness.take() == []


def test_what_others_did_just_before_an_own_change_is_told() -> None:
    """Though no look has seen it: the own change has, under the file's lock. It may be of the same key."""
    file = File(record("a", 1))
    witness = Witness(file.records)
    file.put(record("a", 1, team="theirs"))
    witness.apply(lambda _: (None, [record("a", 1, team="ours")]), file.apply)
    [change] = witness.take()
    assert change.changed == ("a (000000): team",)
    assert witness.sees(file.records, witness.begin())
    assert witness.take() == []


def test_an_own_change_that_fails_is_nobodys() -> None:
    """And what others do is seen afterwards, as before."""
    witness = Witness([record("a", 1)])

    def full(change: Change[Result]) -> Result:
        change([record("a", 1)])
        raise ManifestError("no room")

    with pytest.raises(ManifestError):
        witness.apply(revoking("a", anyway), full)
    assert witness.sees([record("a", 1, team="theirs")], witness.begin())
    assert [change.changed for change in witness.take()] == [("a (000000): team",)]


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["own", "others", "look"]), st.integers(1, 3), st.sampled_from(["x", "y"])),
        max_size=12,
    )
)
def test_each_thing_that_others_did_is_told_once_and_nothing_else(steps: list[tuple[str, int, str]]) -> None:
    """Compared with what was known at the last look or own change, whatever the order."""
    file = File()
    witness = Witness(file.records)
    known: dict[str, KeyRecord] = {}
    for who, digest, team in steps:
        written = record("k", digest, team)
        if who == "others":
            file.put(written)
            continue
        there = {each.digest: each for each in file.records}
        expected = sorted(name for name, each in there.items() if known.get(name) != each)
        if who == "own":
            witness.apply(lambda _, written=written: (None, [written]), file.apply)  # type: ignore[misc]
        else:
            assert witness.sees(file.records, witness.begin())
        told = [name for change in witness.take() for name in (*change.created, *change.changed)]
        assert len(told) == len(expected)
        known = {each.digest: each for each in file.records}


def test_what_there_is_can_be_compared_over_restarts(keys: Keys) -> None:
    """The same keys are the same state, in whatever order; no digest of one can be read in it."""
    one, other = record("a", 1), record("b", 2)
    assert Witness([one, other]).inventory == Witness([other, one]).inventory
    assert Witness([one]).inventory.count == 1
    assert len({Witness(found).inventory.state for found in ([one], [other], [record("a", 1, "t")], [])}) == 4
    keys.make("ci")
    assert isinstance(FiledKeysIssuer("keys", keys.storage()), Watching)


def test_keys_in_the_store_are_named_by_the_plugin() -> None:
    """The kernel notices who writes there; documents are called like digests, which nobody may read."""
    issuer = StoredKeysIssuer("keys")
    assert isinstance(issuer, Describing)
    assert not isinstance(issuer, Watching)
    kept = Kept()

    async def scenario() -> dict[str, bytes]:
        await kept.govern(issuer)
        await issuer.issue(GRANT)
        before = dict(kept.documents)
        await issuer.change("new", KeyChange(team="search"), agreed)
        return before

    before = asyncio.run(scenario())
    [name] = before
    old, new = before[name], kept.documents[name]
    assert issuer.described(name, None, old) == issuer.described(name, old, None) == f"new ({name[:6]})"
    assert issuer.described(name, old, new) == f"new ({name[:6]}): team"
    unreadable = f"a document that cannot be read ({name[:6]})"
    assert issuer.described(name, old, b"{") == issuer.described(name, None, b"[" * 100_000) == unreadable
    assert issuer.described(name, b"{", new) == f"new ({name[:6]})"
    assert issuer.described(LAST_USED, b"{}", b'{"last_used":{}}') == ""
    key = new_key()
    assert key[7:] not in issuer.described(key, None, b"{}")


def test_a_failed_look_is_made_again(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that counted for nothing has not seen the file: nothing is missed though it does not change again."""
    keys.make("ci")

    async def scenario(issuer: FiledKeysIssuer, told: Told) -> None:
        writing, read_on = threading.Event(), threading.Event()
        genuine = store.replace

        def slow(path: object, text: str, shown: str) -> None:
            writing.set()
            assert read_on.wait(DEADLINE_S)
            genuine(path, text, shown)  # type: ignore[arg-type]

        monkeypatch.setattr("jackfield_keys.edit.replace", slow)
        own = asyncio.create_task(issuer.issue(GRANT))
        assert await asyncio.to_thread(writing.wait, DEADLINE_S)
        await issuer._storage.look(unknown=True)
        read_on.set()
        await own
        monkeypatch.setattr("jackfield_keys.edit.replace", genuine)
        keys.make("theirs")
        await told.until(lambda: bool(told.names("created")))

    told = watched(keys, scenario)
    assert [name.split(" ")[0] for name in told.names("created")] == ["theirs"]
