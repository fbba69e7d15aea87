"""What every ``PolicyStore`` must pass.

Subclass ``PolicyStoreKit`` in a test module and say which plugin it is about::

    class TestConformance(PolicyStoreKit):
        manifest = 'enabled = ["my-plugin"]'

The kit writes a few thousand small documents, of kinds that nobody else has; nobody else may write meanwhile.
"""

from __future__ import annotations

import asyncio
import random
from itertools import count
from typing import TYPE_CHECKING, Final, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from jackfield.plugins import Kernel
from jackfield.ports.policy_store import CHANGES_MAX, CONTENT_MAX, DocumentName, VersionConflict
from jackfield.testing.kits.kit import Kit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from jackfield.ports.policy_store import Changes, PolicyStore, PolicyStoreFactory

Result = TypeVar("Result")

_numbers = count()
_run: Final = random.SystemRandom().randbytes(4).hex()
"""Kinds are new in each run, as a store may outlive it."""

NAMES: Final = ("a", "B", "0", "team@example.org", "org/model:q4_0", "x" * 128, "a.b-c_d")
_NAMES: Final = st.sampled_from(NAMES)
_CONTENTS: Final = st.none() | st.binary(max_size=40)


def new_kind() -> str:
    """A kind that no test has had yet."""
    return f"kit-{_run}-{next(_numbers)}"


async def written(store: PolicyStore, documents: Mapping[DocumentName, bytes | None]) -> int:
    """Write *documents*, whatever the store's version is; the new one."""
    return await store.change((await store.since(0)).version, documents)


def of_kind(changes: Changes, kind: str) -> Mapping[str, bytes | None]:
    """Those of *kind*, by name."""
    return {name.name: content for name, content in changes.documents.items() if name.kind == kind}


class PolicyStoreKit(Kit):
    """Stores keep documents as they were written, and say exactly what has changed since."""

    def factory(self) -> PolicyStoreFactory:
        """The factory that the plugin hands over."""
        made: PolicyStoreFactory = self.made(Kernel.policy_stores)
        return made

    @pytest.fixture
    def kind(self) -> str:
        """A kind that no other test has."""
        return new_kind()

    def run(self, scenario: Callable[[PolicyStore, PolicyStore], Awaitable[Result]]) -> Result:
        """Run *scenario* with two stores of the same documents, as two servers have them."""
        return asyncio.run(_with_two(self.factory(), scenario))

    def test_what_is_written_comes_back_whole(self, kind: str) -> None:
        """Every byte, under every name that there may be, also in another server."""
        given: dict[DocumentName, bytes | None] = {
            DocumentName(kind, name): bytes(range(256)) + name.encode() for name in NAMES
        }

        async def scenario(one: PolicyStore, other: PolicyStore) -> tuple[Changes, Changes]:
            await written(one, given)
            return await one.since(0), await other.since(0)

        for changes in self.run(scenario):
            assert of_kind(changes, kind) == {name.name: content for name, content in given.items()}

    def test_versions_grow_with_every_change(self, kind: str) -> None:
        """Also where the same is written again, and where something goes."""

        async def scenario(one: PolicyStore, _: PolicyStore) -> list[int]:
            name = DocumentName(kind, "a")
            first = await written(one, {name: b"1"})
            second = await one.change(first, {name: b"1"})
            third = await one.change(second, {name: None})
            return [first, second, third, (await one.since(0)).version]

        versions = self.run(scenario)
        assert sorted(set(versions)) == versions[:3]
        assert versions[3] == versions[2]

    def test_nothing_is_said_that_was_known(self, kind: str) -> None:
        """Since the latest version there is nothing; since the one before, the last change and nothing else."""

        async def scenario(one: PolicyStore, other: PolicyStore) -> tuple[Changes, Changes]:
            before = await written(one, {DocumentName(kind, name): b"1" for name in NAMES})
            await other.since(before)
            after = await one.change(before, {DocumentName(kind, "a"): b"2", DocumentName(kind, "B"): None})
            return await other.since(before), await one.since(after)

        changed, nothing = self.run(scenario)
        assert changed.documents == {DocumentName(kind, "a"): b"2", DocumentName(kind, "B"): None}
        assert nothing.version == changed.version
        assert not nothing.documents

    def test_a_change_of_an_older_version_is_refused_whole(self, kind: str) -> None:
        """Nothing of it is there."""

        async def scenario(one: PolicyStore, other: PolicyStore) -> tuple[int, Changes]:
            old = await written(one, {DocumentName(kind, "a"): b"1"})
            new = await other.change(old, {DocumentName(kind, "b"): b"2"})
            with pytest.raises(VersionConflict):
                await one.change(old, {DocumentName(kind, "a"): b"3", DocumentName(kind, "c"): b"3"})
            return new, await one.since(0)

        new, changes = self.run(scenario)
        assert changes.version == new
        assert of_kind(changes, kind) == {"a": b"1", "b": b"2"}

    def test_one_of_many_changes_of_a_version_is_made(self, kind: str) -> None:
        """Of two servers that write at the same moment one has to look again."""

        async def scenario(one: PolicyStore, other: PolicyStore) -> tuple[list[int], Changes]:
            version = await written(one, {DocumentName(kind, "a"): b""})

            async def attempt(number: int) -> int | None:
                store = (one, other)[number % 2]
                try:
                    return await store.change(version, {DocumentName(kind, f"n{number}"): b"%d" % number})
                except VersionConflict:
                    return None

            made = await asyncio.gather(*map(attempt, range(10)))
            return [each for each in made if each is not None], await other.since(version)

        versions, changes = self.run(scenario)
        assert versions == [changes.version]
        assert len(changes.documents) == 1

    def test_as_many_and_as_large_as_promised(self, kind: str) -> None:
        """A thousand documents in one change, and one of the greatest size."""
        many: dict[DocumentName, bytes | None] = {
            DocumentName(kind, f"n{number}"): b"%d" % number for number in range(CHANGES_MAX)
        }
        large = bytes(random.Random(1).randbytes(CONTENT_MAX))

        async def scenario(one: PolicyStore, other: PolicyStore) -> tuple[Changes, Changes]:
            version = await written(one, many)
            before = await other.since(0)
            await one.change(version, {DocumentName(kind, "large"): large})
            return before, await other.since(version)

        before, after = self.run(scenario)
        assert of_kind(before, kind) == {name.name: content for name, content in many.items()}
        assert after.documents == {DocumentName(kind, "large"): large}

    def test_it_is_there_when_it_is_opened_again(self, kind: str) -> None:
        """What has gone, too: a server that was away learns of it."""

        async def first(one: PolicyStore, _: PolicyStore) -> int:
            version = await written(one, {DocumentName(kind, "a"): b"1", DocumentName(kind, "b"): b"2"})
            await one.change(version, {DocumentName(kind, "b"): None})
            return version

        async def second(one: PolicyStore, _: PolicyStore) -> tuple[Changes, Changes]:
            return await one.since(0), await one.since(version)

        version = self.run(first)
        everything, changed = self.run(second)
        assert {name: content for name, content in of_kind(everything, kind).items() if content is not None} == {
            "a": b"1"
        }
        assert of_kind(changed, kind) == {"b": None}

    def test_calls_may_overlap(self, kind: str) -> None:
        """Whatever is asked at the same time, each answer is of one version."""

        async def scenario(one: PolicyStore, other: PolicyStore) -> list[Changes]:
            version = await written(one, {DocumentName(kind, "a"): b"0", DocumentName(kind, "b"): b"0"})

            async def write() -> None:
                nonlocal version
                for number in range(1, 6):
                    content = b"%d" % number
                    version = await one.change(version, {DocumentName(kind, name): content for name in "ab"})

            readings = (store.since(0) for store in (one, other) * 5)
            found, _ = await asyncio.gather(asyncio.gather(*readings), write())
            return found

        for changes in self.run(scenario):
            documents = of_kind(changes, kind)
            assert documents["a"] == documents["b"]

    def test_any_history(self) -> None:
        """Two servers, one after the other, against a dictionary."""
        factory = self.factory()

        class Played(PolicyStoreMachine):
            def __init__(self) -> None:
                super().__init__(factory)

        run_state_machine_as_test(
            Played,
            settings=settings(
                max_examples=25,
                stateful_step_count=25,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
            ),
        )


async def _with_two(
    factory: PolicyStoreFactory, scenario: Callable[[PolicyStore, PolicyStore], Awaitable[Result]]
) -> Result:
    one = factory()
    try:
        other = factory()
        try:
            return await scenario(one, other)
        finally:
            await other.close()
    finally:
        await one.close()


class PolicyStoreMachine(RuleBasedStateMachine):
    """Any calls against what a dictionary says.

    Parameters:
        factory: Makes the stores.
    """

    def __init__(self, factory: PolicyStoreFactory) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()
        self._stores = [self._played(_made(factory)) for _ in range(2)]
        self._kind = new_kind()
        self._version = self._played(self._stores[0].since(0)).version
        self._begin = self._version
        self._given: dict[str, tuple[int, bytes | None]] = {}

    def teardown(self) -> None:
        """Give everything back."""
        for store in self._stores:
            self._played(store.close())
        self._loop.close()

    @rule(which=st.integers(0, 1), documents=st.dictionaries(_NAMES, _CONTENTS, min_size=1, max_size=4))
    def change(self, which: int, documents: dict[str, bytes | None]) -> None:
        """All of it, at one new version."""
        named = {DocumentName(self._kind, name): content for name, content in documents.items()}
        version = self._played(self._stores[which].change(self._version, named))
        assert version > self._version
        self._version = version
        self._given |= {name: (version, content) for name, content in documents.items()}

    @rule(which=st.integers(0, 1), back=st.integers(1, 5), name=_NAMES)
    def change_too_late(self, which: int, back: int, name: str) -> None:
        """Nothing."""
        if self._version - back < 0:
            return
        with pytest.raises(VersionConflict):
            self._played(self._stores[which].change(self._version - back, {DocumentName(self._kind, name): b"late"}))

    @rule(which=st.integers(0, 1), back=st.integers(0, 8))
    def since(self, which: int, back: int) -> None:
        """Exactly what has changed."""
        version = max(self._version - back, self._begin)
        changes = self._played(self._stores[which].since(version))
        assert changes.version == self._version
        assert of_kind(changes, self._kind) == {
            name: content for name, (at, content) in self._given.items() if at > version
        }

    @rule(which=st.integers(0, 1))
    def everything(self, which: int) -> None:
        """What is there; what has gone may be mentioned."""
        changes = self._played(self._stores[which].since(0))
        found = {name: content for name, content in of_kind(changes, self._kind).items() if content is not None}
        assert found == {name: content for name, (_, content) in self._given.items() if content is not None}

    def _played(self, call: Coroutine[object, object, Result]) -> Result:
        return self._loop.run_until_complete(call)


async def _made(factory: PolicyStoreFactory) -> PolicyStore:
    return factory()
