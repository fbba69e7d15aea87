"""What every ``RecordStore`` must pass.

Subclass ``RecordStoreKit`` in a test module and say which plugin it is about::

    class TestConformance(RecordStoreKit):
        manifest = 'enabled = ["my-plugin"]'

The kit keeps a few hundred small records, no older than an hour, of tenants that nobody else has; the store must have
room for them meanwhile.
"""

from __future__ import annotations

import asyncio
import random
import time
from itertools import count
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from jackfield.plugins import Kernel
from jackfield.ports.records import Record
from jackfield.testing.kits.kit import Kit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from typing import Literal

    from jackfield.ports.records import RecordStore, RecordStoreFactory

Result = TypeVar("Result")

LONG_S: Final = 3600.0
"""An age that the kit's records never have; what expires, has expired for so long or will not for so long."""

_names = count()
_run: Final = random.SystemRandom().randbytes(6).hex()
"""Names of tenants are new in each run, as a store may outlive it."""

_KINDS: Final = st.sampled_from(["response", "file", "batch"])
_IDS: Final = st.sampled_from(["a", "b", "c", "resp_0123456789abcdef", "~ !"])
_TENANTS: Final = st.sampled_from(["", "/one", "/two"])
_WHEN: Final[st.SearchStrategy[Literal["new", "there", "always"]]] = st.sampled_from(["new", "there", "always"])
_PARENTS: Final = st.sampled_from(["", "", "", "a", "b", "elsewhere"])


def new_tenant() -> str:
    """A tenant that no test has had yet."""
    return f"kit {_run} {next(_names)}"


def record(record_id: str = "one", *, kind: str = "file", tenant: str, created: float = 0.0, **more: object) -> Record:
    """A record; *created* is in seconds after the kit's own beginning."""
    given = Record(kind=kind, id=record_id, tenant=tenant, created=_BEGIN + created)
    return msgspec.structs.replace(given, **more)


_BEGIN: Final = time.time() - LONG_S / 2


class RecordStoreKit(Kit):
    """Stores keep what they are told for the tenant who told it, in order, until it expires."""

    def factory(self) -> RecordStoreFactory:
        """The factory that the plugin hands over."""
        made: RecordStoreFactory = self.made(Kernel.record_stores)
        return made

    @pytest.fixture
    def tenant(self) -> str:
        """A tenant that no other test has."""
        return new_tenant()

    def run(self, scenario: Callable[[RecordStore], Awaitable[Result]]) -> Result:
        """Run *scenario* with a store of its own."""
        return asyncio.run(_with_store(self.factory(), scenario))

    def test_what_is_kept_comes_back_whole(self, tenant: str) -> None:
        """Every byte and every field."""
        body = bytes(range(256)) * 300
        given = record(tenant=tenant, parent="batch_1", body=body, expires=time.time() + LONG_S)

        async def scenario(store: RecordStore) -> Record | None:
            assert await store.put(given)
            return await store.get(given.kind, given.id, tenant)

        assert self.run(scenario) == given

    def test_a_record_is_never_older_than_what_was_put(self, tenant: str) -> None:
        """The last of several that were put one after the other is there."""

        async def scenario(store: RecordStore) -> Record | None:
            for number in range(20):
                await store.put(record(tenant=tenant, body=b"%d" % number))
            return await store.get("file", "one", tenant)

        found = self.run(scenario)
        assert found is not None
        assert found.body == b"19"

    def test_only_one_of_many_is_the_first(self, tenant: str) -> None:
        """``new`` and ``there`` decide and keep in one step, so that they can stand for a lock."""

        async def scenario(store: RecordStore) -> tuple[list[bool], list[bool]]:
            one = record(tenant=tenant)
            first = await asyncio.gather(*(store.put(one, when="new") for _ in range(20)))
            gone = await asyncio.gather(*(store.delete(one.kind, one.id, tenant) for _ in range(20)))
            assert not await store.put(one, when="there")
            return list(first), list(gone)

        first, gone = self.run(scenario)
        assert (first.count(True), gone.count(True)) == (1, 1)

    def test_pages_have_every_record_once(self, tenant: str) -> None:
        """In both orders, also where several were made at one time."""
        given = [record(f"r{number:02}", tenant=tenant, created=number // 3) for number in range(20)]

        async def scenario(store: RecordStore) -> tuple[list[str], list[str]]:
            for each in random.Random(1).sample(given, len(given)):
                await store.put(each)
            return await _pages(store, tenant, newest_first=False), await _pages(store, tenant, newest_first=True)

        oldest, newest = self.run(scenario)
        assert oldest == [each.id for each in given]
        assert newest == oldest[::-1]

    def test_nothing_follows_what_is_not_there(self, tenant: str) -> None:
        """Instead of a page that the client has seen already."""

        async def scenario(store: RecordStore) -> int:
            await store.put(record(tenant=tenant))
            return len(await store.find("file", tenant, after="nowhere"))

        assert self.run(scenario) == 0

    def test_the_server_sees_everybodys(self, tenant: str) -> None:
        """Where it asks for nobody's in particular."""

        async def scenario(store: RecordStore) -> set[str]:
            kind = f"kind {tenant}"[:64]
            for name in ("one", "two"):
                await store.put(record(kind=kind, tenant=f"{tenant} {name}"))
            return {each.tenant for each in await store.find(kind, None)}

        assert self.run(scenario) == {f"{tenant} one", f"{tenant} two"}

    def test_any_history(self) -> None:
        """Against a dictionary: tenants, kinds, parents, expiry, order."""
        factory = self.factory()

        class Played(RecordMachine):
            def __init__(self) -> None:
                super().__init__(factory)

        run_state_machine_as_test(
            Played,
            settings=settings(
                max_examples=40,
                stateful_step_count=30,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
            ),
        )


async def _with_store(factory: RecordStoreFactory, scenario: Callable[[RecordStore], Awaitable[Result]]) -> Result:
    store = factory()
    try:
        return await scenario(store)
    finally:
        await store.close()


async def _pages(store: RecordStore, tenant: str, *, newest_first: bool) -> list[str]:
    ids: list[str] = []
    while page := await store.find("file", tenant, after=ids[-1] if ids else "", limit=3, newest_first=newest_first):
        ids += [each.id for each in page]
    return ids


class RecordMachine(RuleBasedStateMachine):
    """Any calls, one after the other, against what a dictionary says.

    Parameters:
        factory: Makes the store.
    """

    def __init__(self, factory: RecordStoreFactory) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()
        self._store = self._made(factory)
        self._base = new_tenant()
        self._given: dict[tuple[str, str, str], Record] = {}

    def _made(self, factory: RecordStoreFactory) -> RecordStore:
        async def make() -> RecordStore:
            return factory()

        return self._loop.run_until_complete(make())

    def teardown(self) -> None:
        """Give everything back."""
        self._loop.run_until_complete(self._store.close())
        self._loop.close()

    @rule(
        kind=_KINDS,
        name=_IDS,
        tenant=_TENANTS,
        parent=_PARENTS,
        created=st.integers(0, 3),
        lives=st.sampled_from([None, None, None, LONG_S, -LONG_S]),
        body=st.binary(max_size=8),
        when=_WHEN,
    )
    def put(  # noqa: PLR0917 -- one for each field
        self,
        kind: str,
        name: str,
        tenant: str,
        parent: str,
        created: int,
        lives: float | None,
        body: bytes,
        when: Literal["new", "there", "always"],
    ) -> None:
        """It says whether it was kept; what has expired is gone at once, with what belongs to it."""
        parent = "" if parent == name else parent
        given = record(
            name,
            kind=kind,
            tenant=self._base + tenant,
            created=created,
            parent=parent,
            body=body,
            expires=None if lives is None else time.time() + lives,
        )
        key = (kind, given.tenant, name)
        kept = when == "always" or (key in self._given) == (when == "there")
        assert self._loop.run_until_complete(self._store.put(given, when=when)) == kept
        if kept:
            self._given[key] = given
            if lives is not None and lives < 0:
                self._forget(key)

    @rule(kind=_KINDS, name=_IDS, tenant=_TENANTS)
    def get(self, kind: str, name: str, tenant: str) -> None:
        """What its own tenant put last."""
        tenant = self._base + tenant
        found = self._loop.run_until_complete(self._store.get(kind, name, tenant))
        assert found == self._given.get((kind, tenant, name))

    @rule(kind=_KINDS, name=_IDS, tenant=_TENANTS)
    def delete(self, kind: str, name: str, tenant: str) -> None:
        """With all that belongs to it, and nothing else."""
        key = (kind, self._base + tenant, name)
        assert self._loop.run_until_complete(self._store.delete(kind, name, key[1])) == (key in self._given)
        if key in self._given:
            self._forget(key)

    @rule(
        kind=_KINDS,
        tenant=_TENANTS,
        parent=_PARENTS,
        limit=st.integers(1, 5),
        newest_first=st.booleans(),
        after=st.none() | _IDS,
    )
    def find(
        self,
        kind: str,
        tenant: str,
        parent: str,
        limit: int,
        newest_first: bool,  # noqa: FBT001 -- the state machine passes it by name
        after: str | None,
    ) -> None:
        """In order."""
        tenant = self._base + tenant
        found = self._loop.run_until_complete(
            self._store.find(kind, tenant, parent=parent, limit=limit, newest_first=newest_first, after=after or "")
        )
        expected = list(self._expected(kind, tenant, parent, newest_first=newest_first))
        if after:
            places = [number for number, each in enumerate(expected) if each.id == after]
            expected = expected[places[0] + 1 :] if places else []
        assert list(found) == expected[:limit]

    def _expected(self, kind: str, tenant: str, parent: str, *, newest_first: bool) -> Iterator[Record]:
        for each in sorted(self._given.values(), key=lambda each: (each.created, each.id), reverse=newest_first):
            if (each.kind, each.tenant) == (kind, tenant) and (not parent or each.parent == parent):
                yield each

    def _forget(self, key: tuple[str, str, str]) -> None:
        gone = self._given.pop(key)
        for other, each in list(self._given.items()):
            if other in self._given and each.tenant == gone.tenant and each.parent == gone.id:
                self._forget(other)
