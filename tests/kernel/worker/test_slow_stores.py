"""Slow stores: what waits for them is bounded, and one that hangs holds up nobody, not even the end."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

import pytest
from structlog.testing import capture_logs
from tests.kernel.worker.stores import PROMPT, SCOPE, DictStore, ask, loop_with

from jackfield.ports.kv_store import StateKey
from jackfield.worker.engine import loop as loop_module
from jackfield.worker.engine.prefix import archive as archive_module
from jackfield.worker.engine.prefix import store_thread as store_thread_module
from jackfield.worker.engine.prefix import tier as tier_module
from jackfield.worker.engine.prefix.store_thread import READS_MAX, StoreThread
from jackfield.worker.engine.prefix.tier import Tier
from jackfield.worker.engine.prefix.tiers import Tiers
from jackfield.worker.engine.prefix.tokens import packed
from jackfield.worker.engine.prefix.tree import PrefixTree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jackfield.worker.engine.loop import EngineLoop


class Stuck(DictStore):
    """A slow store that comes back from nothing before it may."""

    def __init__(self) -> None:
        super().__init__(blocking=True)
        self.called = threading.Event()
        self.go_on = threading.Event()

    def put(self, key: StateKey, state: memoryview) -> bool:
        """When the test says so."""
        self.called.set()
        assert self.go_on.wait(60)
        return super().put(key, state)


class Slow(NamedTuple):
    """A thread whose only store is stuck in a call."""

    store: Stuck
    tier: Tier
    thread: StoreThread

    def put(self, number: int, nbytes: int = 1) -> bool:
        """Another state."""
        data = memoryview(bytes(nbytes))
        return self.thread.put(self.tier, _key(number), lambda: self.kept(number, data), data)

    def kept(self, number: int, data: memoryview) -> None:
        """By the store, in its thread."""
        self.tier.put(_key(number), data)

    def end(self) -> list[StateKey]:
        """Let it go on, to the end; what it holds then."""
        self.store.go_on.set()
        assert self.thread.close().states == 0
        return list(self.store.entries)


def _key(number: int) -> StateKey:
    return StateKey(scope=SCOPE, tokens=packed([number]), start=0)


@pytest.fixture
def slow() -> Iterator[Slow]:
    """Stuck with the state 0."""
    store = Stuck()
    tier = Tier("slow", store)
    made = Slow(store, tier, StoreThread([tier], lambda: None))
    assert made.put(0)
    assert store.called.wait(20)
    yield made
    store.go_on.set()


def test_nobody_waits_for_a_store_that_hangs(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one that has not come back for a while nothing is asked; once it does, it is asked again."""
    assert slow.thread.ask(lambda: None)
    monkeypatch.setattr(tier_module, "HANGS_S", 0.0)
    assert not slow.thread.ask(lambda: None)
    assert slow.tier.stats().error.startswith("it has not come back")
    slow.end()
    assert slow.tier.stats().error == ""


def test_of_a_store_that_is_busy_little_is_asked(slow: Slow) -> None:
    """So that nothing piles up."""
    assert sum(slow.thread.ask(lambda: None) for _ in range(10 * READS_MAX)) == READS_MAX
    slow.end()


def test_what_waits_for_a_store_is_bounded(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    """States to be written, and keys to be dropped."""
    monkeypatch.setattr(store_thread_module, "BACKLOG_MAX", 50_000)
    assert [slow.put(number, 20_000) for number in (1, 2, 3)] == [True, True, False]
    assert sum(slow.thread.drop(slow.tier, _key(number)) for number in range(100, 200)) < 10
    assert slow.end() == [_key(0), _key(1), _key(2)]


def test_what_would_be_dropped_again_is_not_written(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all that waits for a key the last call counts; it makes room for others, too."""
    monkeypatch.setattr(store_thread_module, "BACKLOG_MAX", 50_000)
    for _ in range(100):
        assert slow.put(1, 20_000)
        assert slow.thread.drop(slow.tier, _key(1))
        assert slow.put(2, 20_000)
    assert slow.end() == [_key(0), _key(2)]


def test_what_waits_does_not_outlive_its_being_cleared(slow: Slow) -> None:
    """What comes after that does."""
    assert slow.put(1)
    slow.thread.clear(slow.tier)
    assert slow.put(2)
    assert slow.end() == [_key(2)]


def test_a_store_that_hangs_does_not_keep_the_worker_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said what was not written, and which store did not come back."""
    monkeypatch.setattr(store_thread_module, "WRITE_S", 0.0)
    monkeypatch.setattr(store_thread_module, "LAST_S", 0.0)
    store = Stuck()
    tree, tiers = PrefixTree(4), Tiers({"slow": store, "quick": (quick := DictStore())}, lambda _: None)
    archive = archive_module.Archive(tree, tiers)
    for number in range(3):
        node = tree.grow(tree.root(SCOPE), packed([number]), 1)
        assert archive.keep(node, 0, 1, memoryview(b"x"), quick=False)
    assert store.called.wait(20)
    with capture_logs() as logs:
        tiers.close()
    assert [(log["event"], log.get("states"), log.get("store")) for log in logs] == [
        ("states were not written before the end", 2, None),
        ("a KV store hangs, and was not closed", None, "slow"),
    ]
    assert quick.closed
    store.go_on.set()


def test_a_store_that_hangs_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the figures and in the log, with how long it is."""
    monkeypatch.setattr(tier_module, "HANGS_S", 0.0)
    store = Stuck()
    tree, tiers = PrefixTree(4), Tiers({"slow": store}, lambda _: None)
    archive = archive_module.Archive(tree, tiers)

    def keep(number: int) -> None:
        node = tree.grow(tree.root(SCOPE), packed([number]), 1)
        assert archive.keep(node, 0, 1, memoryview(b"x"), quick=False)

    keep(0)
    assert store.called.wait(20)
    with capture_logs() as logs:
        for number in range(1, 4):
            keep(number)
    assert tiers.all[0].stats().troubles == {"hung": 3}
    assert [(log["store"], log["reason"]) for log in logs] == [("slow", "hung")]
    assert logs[0]["error"].startswith("it has not come back from a call for ")
    store.go_on.set()
    tiers.close()


def test_an_answer_does_not_wait_for_a_store_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it was to be given is used as if it had been; also once that has left the device."""
    monkeypatch.setattr(loop_module, "_STORE_WAIT_S", 60.0)
    store = Stuck()
    loop = loop_with(store)
    thread = threading.Thread(target=loop.run)
    thread.start()
    prompts = [f"{number} {PROMPT}" for number in range(10)]
    for prompt in prompts:
        assert ask(loop, prompt).ended.wait(20)
    assert store.called.wait(20)
    for prompt in prompts:
        asker = ask(loop, prompt)
        assert asker.ended.wait(20)
        assert (asker.text, asker.cached) == ("fine", len(prompt) - 1)
    assert not store.entries
    store.go_on.set()
    loop.stop()
    thread.join(20)
    assert store.entries
    assert store.closed


class _Late(DictStore):
    """A slow store that gives back nothing before it may."""

    def __init__(self) -> None:
        super().__init__(blocking=True)
        self.called = threading.Event()
        self.go_on = threading.Event()

    def get(self, key: StateKey) -> memoryview | None:
        """When the test says so."""
        self.called.set()
        assert self.go_on.wait(60)
        return super().get(key)


def test_who_is_too_late_for_what_a_store_has_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its deadline passes, or it goes, while the store is read: what then comes back is not kept in memory."""
    monkeypatch.setattr(loop_module, "_STORE_WAIT_S", 60.0)
    store = _Late()
    store.go_on.set()
    _lived(store, lambda loop: ask(loop).ended.wait(20))
    assert store.entries
    store.go_on.clear()

    def late(loop: EngineLoop) -> None:
        asker = ask(loop)
        assert store.called.wait(20)
        asker.cancelled = True
        loop.wake()
        assert ask(loop, "another question [say:x]").ended.wait(20)  # goes by whoever is held
        assert len(loop.table) == 0
        store.go_on.set()
        again = ask(loop)
        assert again.ended.wait(20)
        assert (again.text, again.cached) == ("fine", len(PROMPT) - 1)

    loop = _lived(store, late)
    states = [state for root in loop.cache.tree.roots.values() for node in root.below() for state in node.states]
    assert states
    assert [state for state in states if state.awaited or state.data is not None] == []


def _lived(store: DictStore, life: Callable[[EngineLoop], object]) -> EngineLoop:
    """A worker's life with *store*; everything must add up after it."""
    loop = loop_with(store, [(0, key) for key in store.open("")])
    thread = threading.Thread(target=loop.run)
    thread.start()
    life(loop)
    loop.stop()
    thread.join(20)
    loop.table.check_integrity()
    return loop
