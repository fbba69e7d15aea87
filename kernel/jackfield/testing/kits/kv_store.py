"""What every ``KVStore`` must pass.

Subclass ``KVStoreKit`` in a test module and say which plugin it is about::

    class TestConformance(KVStoreKit):
        manifest = 'enabled = ["my-plugin"]'

The kit fills stores to their bound, so that has to be small while it runs: at most ``LIMIT_MAX``. Each test has stores
of its own, of models with new names.
"""

from __future__ import annotations

import random
import re
import threading
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from jackfield.plugins import Kernel
from jackfield.testing.kits.kit import Kit
from jackfield.testing.kits.kv_store_history import LAYOUT, OTHER_LAYOUT, StoreMachine, key, new_model, state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jackfield.ports.kv_store import KVStore, KVStoreFactory, StateKey

LIMIT_MAX: Final = 16 << 20
"""Largest bound, in bytes, with which the kit runs: it writes several times as much."""

REASONS_MAX: Final = 16
"""Reasons of trouble: each is a series of a metric."""

_LOOKS: Final = 2000
"""How often ``usage`` is asked while a store works."""

DIFFERENT: Final = {
    "the same prefix": key(),
    "another last token": key((1, 2, 4)),
    "another first token": key((0, 2, 3)),
    "one token less": key((1, 2)),
    "one token more": key((1, 2, 3, 0)),
    "no token": key(()),
    "a negative token": key((1, 2, -3)),
    "another tenant": key(scope=1),
    "a tenant whose last byte differs": key(scope=1 << 255),
    "a later part": key(start=1),
    "a checkpoint": key(kind="checkpoint"),
    "a later checkpoint": key(start=1, kind="checkpoint"),
}
"""Keys that differ in little, and never stand for each other."""


class KVStoreKit(Kit):
    """Stores give back what they were given or nothing, and keep within their bound."""

    def factory(self) -> KVStoreFactory:
        """The factory that the plugin hands over."""
        made: KVStoreFactory = self.made(Kernel.kv_stores)
        return made

    @pytest.fixture
    def model(self) -> str:
        """A model that no other test has."""
        return new_model()

    @pytest.fixture
    def store(self, model: str) -> Iterator[KVStore]:
        """A new store, open and empty."""
        made = self.factory()(model)
        assert list(made.open(LAYOUT)) == [], "the store of a model that is new here holds something"
        yield made
        made.close()

    def test_its_bound_is_small_meanwhile(self, store: KVStore) -> None:
        """The kit fills it several times over; its options have to say so."""
        assert 0 < store.usage().limit_bytes <= LIMIT_MAX, (
            f"the kit needs a bound of at most {LIMIT_MAX} bytes: set it in the plugin's options for the kit"
        )

    def test_a_state_comes_back(self, store: KVStore) -> None:
        """Whole, and as often as it is asked for."""
        given = state(1, 100_000)
        assert store.put(key(), given)
        for _ in range(3):
            assert store.get(key()) == given
        assert store.usage().entries == 1
        assert len(given) <= store.usage().used_bytes <= store.usage().limit_bytes

    def test_it_keeps_a_copy(self, store: KVStore) -> None:
        """The engine uses the memory that it handed over for something else at once."""
        memory = bytearray(state(1, 50_000))
        before = bytes(memory)
        assert store.put(key(), memoryview(memory))
        memory[:] = bytes(len(memory))
        assert store.get(key()) == memoryview(before)

    def test_a_state_may_be_of_any_shape(self, store: KVStore) -> None:
        """Bytes are bytes: a view of numbers, a part of a larger one, one that must not be written to."""
        whole = state(2, 64_000)
        for number, view in enumerate((whole.cast("I"), whole[1000:3000], whole.toreadonly(), whole[:1], whole[:0])):
            assert store.put(key((number,)), view)
            found = store.get(key((number,)))
            assert found is not None
            assert bytes(found) == bytes(view)

    def test_similar_keys_never_mix(self, store: KVStore) -> None:
        """One token, tenant, start or kind apart is another state."""
        for number, each in enumerate(DIFFERENT.values()):
            assert store.get(each) is None
            assert store.put(each, state(number, 1000))
        for number, (name, each) in enumerate(DIFFERENT.items()):
            assert store.get(each) == state(number, 1000), name
        for each in DIFFERENT.values():
            store.drop(each)
            assert store.get(each) is None
        assert store.usage().entries == 0

    def test_the_latest_state_of_a_key_counts(self, store: KVStore) -> None:
        """Larger or smaller than the one before."""
        for seed, size in enumerate((1000, 90_000, 10, 30_000)):
            assert store.put(key(), state(seed, size))
            assert store.get(key()) == state(seed, size)
            assert store.usage().entries == 1

    def test_what_is_dropped_is_gone(self, store: KVStore) -> None:
        """Its bytes too; dropping what is not there is nothing."""
        empty = store.usage().used_bytes
        assert store.put(key(), state(1, 10_000))
        store.drop(key())
        store.drop(key((9, 9)))
        assert store.get(key()) is None
        assert store.usage().entries == 0
        assert store.usage().used_bytes == empty

    def test_clear_forgets_everything(self, store: KVStore) -> None:
        """And the store goes on."""
        for number in range(20):
            assert store.put(key((number,)), state(number, 1000))
        store.clear()
        assert store.usage().entries == 0
        assert all(store.get(key((number,))) is None for number in range(20))
        assert store.put(key(), state(1, 1000))
        assert store.get(key()) == state(1, 1000)

    def test_a_view_that_was_given_back_stays_as_it_is(self, store: KVStore) -> None:
        """Whatever is put, dropped or got while somebody still reads it."""
        size = store.usage().limit_bytes // 8
        views = []
        for number in range(40):
            store.put(key((number,)), state(number, size))
            found = store.get(key((number,)))
            assert found is not None
            views.append((number, found))
            views = views[-5:]
            assert all(view == state(seed, size) for seed, view in views)
        store.clear()
        assert all(view == state(seed, size) for seed, view in views)

    def test_what_is_too_large_is_refused(self, store: KVStore) -> None:
        """Without harm to what is there."""
        limit = store.usage().limit_bytes
        assert store.put(key(), state(1, 1000))
        assert not store.put(key((1,)), state(2, limit + 1))
        assert store.get(key((1,))) is None
        assert store.get(key()) == state(1, 1000)

    def test_the_bound_is_kept(self, store: KVStore) -> None:
        """Whatever sizes come; and most of it is used."""
        limit = store.usage().limit_bytes
        sizes = random.Random(7)
        for number in range(100):
            store.put(key((number,)), state(number, sizes.randrange(1, limit // 5)))
            assert store.usage().used_bytes <= limit
        assert store.usage().used_bytes >= limit // 2

    def test_the_bound_holds_for_many_small_states(self, store: KVStore) -> None:
        """Also where there is more to a state than its bytes."""
        given = 0
        for number in range(3000):
            store.put(key((number,)), state(number, 16))
            given += 16
            assert store.usage().used_bytes <= store.usage().limit_bytes
        assert store.usage().entries
        assert store.usage().used_bytes >= 16 * store.usage().entries

    def test_what_is_used_stays(self, store: KVStore) -> None:
        """The least recently used make room."""
        size = store.usage().limit_bytes // 8
        used = state(0, size)
        assert store.put(key((0,)), used)
        for number in range(1, 30):
            assert store.put(key((number,)), state(number, size))
            assert store.get(key((0,))) == used, f"lost after {number} others, although it was used each time"
        assert store.get(key((1,))) is None

    def test_usage_can_be_asked_by_any_thread(self, store: KVStore) -> None:
        """While the store works; within its bound at any moment."""
        seen: list[bool] = []
        limit = store.usage().limit_bytes
        stop = threading.Event()

        def look() -> None:
            while not stop.is_set() and len(seen) < _LOOKS:
                usage = store.usage()
                seen.append(0 <= usage.used_bytes <= limit and usage.entries >= 0)

        threads = [threading.Thread(target=look) for _ in range(2)]
        for thread in threads:
            thread.start()
        for number in range(200):
            store.put(key((number,)), state(number, limit // 20))
            store.get(key((number // 2,)))
            store.drop(key((number // 3,)))
        stop.set()
        for thread in threads:
            thread.join()
        assert seen
        assert all(seen)

    def test_troubles_can_be_labels(self, store: KVStore) -> None:
        """Of a metric: a few words, and counts."""
        troubles = store.usage().troubles
        assert len(troubles) <= REASONS_MAX
        assert all(re.fullmatch("[a-z][a-z0-9_]{0,31}", reason) and count >= 0 for reason, count in troubles.items())

    def test_what_was_put_here_does_not_come_by_itself(self, store: KVStore) -> None:
        """``refresh`` names nothing that the engine knows already."""
        assert store.put(key(), state(1, 1000))
        assert key() not in [*store.refresh()]
        assert store.get(key()) == state(1, 1000)

    def test_another_layout_finds_nothing(self, model: str) -> None:
        """States of another layout are useless; they are dropped for good."""
        self._fill(model, LAYOUT)
        assert self._held(model, OTHER_LAYOUT) == []
        assert self._held(model, LAYOUT) == []

    def test_another_model_finds_nothing(self, model: str) -> None:
        """Names that look alike on disk are two."""
        self._fill(model, LAYOUT)
        for other in (f"{model}/", f"{model}.", f"../{model}", model.upper(), f"{model}é", "x" * 128):
            assert self._held(other, LAYOUT) == []

    def test_what_survives_is_what_was_put(self, model: str) -> None:
        """Opened again, it names what it holds, and gives that back; a store may also begin empty each time."""
        given = self._fill(model, LAYOUT)
        store = self.factory()(model)
        names = list(store.open(LAYOUT))
        assert store.usage().entries == len(names)
        assert names == [each for each in given if each in names], "not in the order of their use"
        for each in names:
            assert store.get(each) == memoryview(given[each])
        store.close()

    def test_any_history_gives_what_was_put_or_nothing(self) -> None:
        """Hypothesis: whatever is called in whatever order."""
        factory = self.factory()

        class Played(StoreMachine):
            def made(self, model: str) -> KVStore:
                return factory(model)

        run_state_machine_as_test(
            Played,
            settings=settings(
                max_examples=30,
                stateful_step_count=40,
                deadline=None,
                report_multiple_bugs=False,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            ),
        )

    def _fill(self, model: str, layout: str) -> dict[StateKey, bytes]:
        store = self.factory()(model)
        store.open(layout)
        given = {key((number,)): bytes(state(number, 2000)) for number in range(10)}
        for each, data in given.items():
            assert store.put(each, memoryview(data))
        first, *_ = given
        store.get(first)  # used last
        given[first] = given.pop(first)
        store.close()
        return given

    def _held(self, model: str, layout: str) -> list[StateKey]:
        store = self.factory()(model)
        held = list(store.open(layout))
        store.close()
        return held
