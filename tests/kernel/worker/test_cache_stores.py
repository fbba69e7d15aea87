"""Stores below the device, from the worker's side: opened, asked in time, and named where they fail."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs
from tests.kernel.worker.stores import PROMPT, SCOPE, Asker, DictStore, ask, loop_with

from jackfield.errors import BackendFault, JackfieldError, KVExhausted, ManifestError, PluginError
from jackfield.ports.kv_store import StateKey, StoreUsage
from jackfield.testing.scripted import ScriptedRunner
from jackfield.worker.engine import loop as loop_module
from jackfield.worker.engine.prefix import archive as archive_module
from jackfield.worker.engine.prefix import saving as saving_module
from jackfield.worker.engine.prefix import store_thread as store_thread_module
from jackfield.worker.engine.prefix import tier as tier_module
from jackfield.worker.engine.prefix.saving import Saver
from jackfield.worker.engine.prefix.scope import scope_of
from jackfield.worker.engine.prefix.tier import FAULTS_MAX, REASONS_MAX, Tier
from jackfield.worker.engine.prefix.tiers import Tiers
from jackfield.worker.engine.prefix.tokens import packed
from jackfield.worker.engine.prefix.tree import PrefixTree
from jackfield.worker.stores import open_stores

if TYPE_CHECKING:
    from jackfield.cache_report import CacheReport
    from jackfield.ports.kv_store import KVStore

KEY = StateKey(scope=SCOPE, tokens=packed([1, 2, 3]), start=0)


class Gate(DictStore):
    """A slow store that answers once it may."""

    def __init__(self) -> None:
        super().__init__(blocking=True)
        self.may_answer = threading.Event()

    def get(self, key: StateKey) -> memoryview | None:
        """When the test says so."""
        assert self.may_answer.wait(20)
        return super().get(key)


class Full(DictStore):
    """Says that it has no room, and takes everything all the same."""

    def usage(self) -> StoreUsage:
        """All is used."""
        return StoreUsage(entries=len(self.entries), used_bytes=1, limit_bytes=1)


class Broken(DictStore):
    """Keeps nothing."""

    def put(self, key: StateKey, state: memoryview) -> bool:
        """Raises."""
        raise OSError("/secret/path")


def _life(store: KVStore, *, wait: bool = True) -> Asker:
    """One worker's life, with one question."""
    kept = [(0, key) for key in store.open("")]
    loop = loop_with(store, kept)
    thread = threading.Thread(target=loop.run)
    thread.start()
    asker = ask(loop)
    assert asker.ended.wait(20) or not wait
    if isinstance(store, Gate):
        store.may_answer.set()
    loop.stop()
    thread.join(20)
    loop.table.check_integrity()
    assert asker.text == "fine"
    return asker


def test_a_slow_store_is_waited_for() -> None:
    """Until it answers."""
    store = DictStore(blocking=True)
    assert _life(store).cached == 0
    assert _life(store).cached == len(PROMPT) - 1


def test_a_slow_store_is_not_waited_for_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it would have given is computed; its answer then comes too late and hurts nobody."""
    store = Gate()
    store.may_answer.set()
    _life(store)
    store.may_answer.clear()
    monkeypatch.setattr(loop_module, "_STORE_WAIT_S", 0.0)
    assert _life(store).cached == 0


@pytest.mark.parametrize(
    ("fault", "reason"), [(KVExhausted("by chance"), "no_room"), (BackendFault("by chance"), "state_lost")]
)
def test_what_cannot_be_restored_is_counted_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, fault: JackfieldError, reason: str
) -> None:
    """All of it, once."""
    store = DictStore(blocking=True)
    _life(store)

    def fail(*_: object) -> None:
        raise fault

    monkeypatch.setattr(ScriptedRunner, "restore", fail)
    loop = loop_with(store, [(0, key) for key in store.open("")])
    thread = threading.Thread(target=loop.run)
    thread.start()
    asker = ask(loop)
    assert asker.ended.wait(20)
    loop.stop()
    thread.join(20)
    assert (asker.text, asker.cached) == ("fine", 0)
    assert loop.cache.counters.recomputed == {reason: len(PROMPT) - 1}


@pytest.mark.parametrize("store", [DictStore(), Full()])
def test_a_quick_store_is_given_what_leaves_the_device(store: DictStore) -> None:
    """And not what stays there; one that is full makes way for others with what is there again."""
    loop = loop_with(store)
    thread = threading.Thread(target=loop.run)
    thread.start()
    assert ask(loop).ended.wait(20)
    assert not store.entries
    for number in range(10):
        assert ask(loop, f"{number} {PROMPT}").ended.wait(20)
    first = {key for key in store.entries if key.tokens.startswith(packed(list(PROMPT.encode()[:16])))}
    assert first
    again = ask(loop, f"{PROMPT}fine\n<user>[say:fine]\n<assistant>")
    assert again.ended.wait(20)
    loop.stop()
    thread.join(20)
    loop.table.check_integrity()
    assert again.cached >= len(PROMPT)
    assert isinstance(store, Full) == first.isdisjoint(store.entries)


def test_an_operator_is_told_and_may_clear() -> None:
    """In the loop's own thread, between two steps."""
    store = DictStore()
    loop = loop_with(store)
    thread = threading.Thread(target=loop.run)
    thread.start()
    reports: list[CacheReport] = []
    assert ask(loop).ended.wait(20)
    assert ask(loop).ended.wait(20)
    told = threading.Event()
    loop.cache_report(reports.append)
    loop.cache_clear(lambda cleared: (reports.append(cleared), told.set()))  # type: ignore[arg-type,func-returns-value]
    assert told.wait(20)
    loop.stop()
    thread.join(20)
    report, cleared = reports
    assert (report.lookups, report.hits, report.prefixes, report.running_tokens) == (2, 1, 1, 0)
    assert report.cached_tokens == len(PROMPT) - 1
    assert report.idle_tokens == cleared.idle_tokens == len(PROMPT) + len("fine")
    assert [each.scope for each in report.scopes] == ["00000000"]
    assert not store.entries


def test_many_short_keys_are_forgotten_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that says another salt each time: what is known of each takes more than its tokens do."""
    monkeypatch.setattr(archive_module, "KEYS_MAX", 10 * archive_module.KEY_BYTES)
    tree, tiers = PrefixTree(4), Tiers({"store": DictStore()}, lambda _: None)
    archive = archive_module.Archive(tree, tiers)
    for number in range(50):
        root = tree.root(number.to_bytes(32, "big"))
        assert archive.keep(tree.grow(root, KEY.tokens, 3), 0, 3, memoryview(b"x"), quick=True)
        tree.prune()
    archive.check_integrity()
    assert len(tree.roots) <= 10 + 4
    assert tiers.all[0].usage().entries < 10


class Found(DictStore):
    """A slow store that comes to hold something by itself."""

    def refresh(self) -> list[StateKey]:
        """All of it, once."""
        return [] if self.layout == "told" else [*self.entries]


def test_what_a_store_comes_to_hold_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another worker has given its folder free."""
    monkeypatch.setattr(store_thread_module, "REFRESH_S", 0.0)
    before = DictStore(blocking=True)
    _life(before)
    store = Found(blocking=True)
    store.entries = before.entries
    learnt = threading.Semaphore(0)
    loop = loop_with(store)
    known = loop.cache.tiers.learnt

    def learn(tier: int, key: StateKey) -> None:
        known(tier, key)
        learnt.release()

    loop.cache.tiers.learnt = learn
    thread = threading.Thread(target=loop.run)
    thread.start()
    for _ in store.entries:
        assert learnt.acquire(timeout=20)
    store.layout = "told"
    asker = ask(loop)
    assert asker.ended.wait(20)
    loop.stop()
    thread.join(20)
    loop.table.check_integrity()
    assert asker.cached == len(PROMPT) - 1


class Troubled(DictStore):
    """Says what has gone wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.troubles: dict[str, int] = {"corrupt": 2}

    def usage(self) -> StoreUsage:
        """With troubles."""
        return StoreUsage(entries=0, used_bytes=0, limit_bytes=1, error="odd", troubles=self.troubles)


def test_troubles_are_in_the_log_and_in_the_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new reason at once, one that goes on once a minute."""
    store = Troubled()
    with capture_logs() as logs:
        tier = Tier("odd", store)
        for number in range(1, 6):
            store.troubles["disk_full"] = number
            tier.put(KEY, memoryview(b"x"))
        monkeypatch.setattr(tier_module, "REPORT_INTERVAL_S", -1.0)
        store.troubles["another"] = 1
        tier.put(KEY, memoryview(b"x"))
        store.troubles["another"] = 4
        tier.put(KEY, memoryview(b"x"))
    assert [(log["store"], log["reason"], log["times"]) for log in logs] == [
        ("odd", "corrupt", 2),
        ("odd", "disk_full", 1),
        ("odd", "another", 1),
        ("odd", "another", 3),
    ]
    assert tier.stats().troubles == {"corrupt": 2, "disk_full": 5, "another": 4}


def test_reasons_of_troubles_are_bounded() -> None:
    """They become labels of metrics, and the store may be anybody's."""
    store = Troubled()
    store.troubles = {f"/path/{number}": 1 for number in range(1000)}
    assert Tier("odd", store).stats().troubles == {"other": 1}
    store.troubles = {f"reason_{number}": 1 for number in range(1000)}
    assert len(Tier("odd", store).stats().troubles) == REASONS_MAX


def test_little_is_saved_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers that run wait for it: each step saves one state where more would take too long, and all in the end."""
    monkeypatch.setattr(saving_module, "STEP_S", 0.0)
    monkeypatch.setattr(saving_module, "FIRST_PIECE", 8)
    monkeypatch.setattr(saving_module, "PIECE_BYTES", 1)
    saves: list[int] = []
    save, work = ScriptedRunner.save, Saver.work

    def counted(runner: ScriptedRunner, sequence: int, start: int, end: int) -> memoryview:
        saves[-1] += 1
        return save(runner, sequence, start, end)

    def worked(saver: Saver) -> None:
        saves.append(0)
        work(saver)

    monkeypatch.setattr(ScriptedRunner, "save", counted)
    monkeypatch.setattr(Saver, "work", worked)
    _life(DictStore(blocking=True))
    assert max(saves) == 1
    assert sum(saves) > 10


def test_a_store_that_fails_is_named_and_left_out_in_the_end() -> None:
    """Once a minute, by its name and the kind of the error; requests notice nothing."""
    tier = Tier("odd", Broken())
    with capture_logs() as logs:
        for _ in range(FAULTS_MAX):
            assert not tier.out
            assert not tier.put(KEY, memoryview(b"x"))
    assert tier.out
    assert [(log["store"], log["call"], log["error"], log["left_out"]) for log in logs] == [
        ("odd", "put", "OSError", False),
        ("odd", "put", "OSError", True),
    ]
    assert "secret" not in str(logs)


def test_stores_are_opened_with_the_layout_and_say_what_they_have() -> None:
    """In the order in which they are listed."""
    full = DictStore()
    full.entries[KEY] = b"x"
    stores = {"empty": lambda _: DictStore(), "full": lambda _: full}
    caching = open_stores(stores, "m", "layout", "shared")
    assert list(caching.stores) == ["empty", "full"]
    assert caching.kept == [(1, KEY)]
    assert full.layout == "layout"


def _raise(error: Exception) -> KVStore:
    raise error


@pytest.mark.parametrize(
    ("factory", "kind", "words"),
    [
        (lambda _: _raise(KeyError("x")), PluginError, "^KV store odd: it cannot be opened: KeyError"),
        (lambda _: _raise(ManifestError("config.odd.path: no")), ManifestError, "^config.odd.path"),
        (lambda _: object(), PluginError, r"^KV store odd: its factory made object, which has no open\(\)"),
    ],
)
def test_a_store_that_cannot_be_opened_is_named(factory: object, kind: type[Exception], words: str) -> None:
    """Those before it are closed again."""
    first = DictStore()
    with pytest.raises(kind, match=words):
        open_stores({"first": lambda _: first, "odd": factory}, "m", "", "shared")  # type: ignore[dict-item]  # what a stranger may hand over
    assert first.closed


def test_scopes_tell_apart_who_may_share() -> None:
    """Tenants, salts and adapters; nobody's name can be made to look like another's."""
    scopes = [
        scope_of("principal", "alice", ""),
        scope_of("principal", "bob", ""),
        scope_of("principal", "alice", "salt"),
        scope_of("principal", "alicesalt", ""),
        scope_of("principal", "", "alice"),
        scope_of("principal", "alice", "", [("style", 1.0)]),
        scope_of("principal", "alice", "", [("style", 0.5)]),
    ]
    assert len({*scopes}) == len(scopes)
    assert all(scope is not None and len(scope) == 32 for scope in scopes)
    assert scope_of("shared", "alice", "s") == scope_of("shared", "bob", "s") != scope_of("shared", "bob", "t")
    assert scope_of("off", "alice", "s") is None
