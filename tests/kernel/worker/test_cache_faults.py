"""The prefix cache where what it has is not what it should be: bad checkpoints, states that go while somebody waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from tests.kernel.worker.engines import Engine, Unsteady, load, question
from tests.kernel.worker.stores import DictStore

from jackfield.errors import BackendFault
from jackfield.ports.kv_store import StateKey
from jackfield.worker.engine import loop as loop_module
from jackfield.worker.engine.prefix.archive import Archive
from jackfield.worker.engine.prefix.cache import PrefixCache
from jackfield.worker.engine.prefix.costs import StepCosts
from jackfield.worker.engine.prefix.report import cache_stats
from jackfield.worker.engine.prefix.states import CHECKPOINT
from jackfield.worker.engine.prefix.tiers import Tiers
from jackfield.worker.engine.prefix.tokens import packed
from jackfield.worker.engine.prefix.tree import PrefixTree
from jackfield.worker.engine.table import SequenceTable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jackfield.ports.backend import Runner
    from jackfield.ports.reuse import ReusableRunner
    from jackfield.worker.engine.prefix.states import State

TEXT = "The studio has a panel of sockets that every device is plugged into, and a list of who may. " * 2


@pytest.fixture(autouse=True)
def _restoring_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models this small compute about as fast as they are restored: what was measured would decide by chance."""
    monkeypatch.setattr(PrefixCache, "_worth", lambda *_: True)


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    """One that goes back to checkpoints only."""
    loaded = load("hybrid-delta", context=256)
    yield loaded
    loaded.close()


def test_a_bad_checkpoint_is_tried_once(runner: Runner) -> None:
    """And another one takes its place: a store may have mixed them up."""
    store = DictStore(blocking=True)
    with Engine(runner, stores={"disk": store}) as engine:
        (first,) = engine.ask(question(TEXT))
    checkpoints = [key for key in store.entries if key.kind == CHECKPOINT]
    assert checkpoints
    for key in checkpoints:
        store.entries[key] = store.entries[key][::-1]
    with Engine(runner, stores={"disk": store}) as engine:
        (second,) = engine.ask(question(TEXT))
        assert second.cached == 0
        assert engine.loop.cache.counters.recomputed == {"state_lost": second.ends[0].usage.prompt_tokens - 1}
        (third,) = engine.ask(question(TEXT))
        assert third.cached == third.ends[0].usage.prompt_tokens - 1
    assert first.text == second.text == third.text


def test_a_prefix_on_the_device_that_cannot_be_copied_is_tried_once(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What llama.cpp holds is not what it should be: that would not get better."""
    reusing = cast("ReusableRunner", runner)
    copy, bad = reusing.copy, []

    def stumble(source: int, target: int, length: int) -> None:
        bad.append(source)
        if source == bad[0]:
            raise BackendFault("by chance")
        copy(source, target, length)

    monkeypatch.setattr(runner, "copy", stumble)
    with Engine(runner) as engine:
        first, second, third = [engine.ask(question(TEXT))[0] for _ in range(3)]
    assert (first.cached, second.cached, third.cached > 0) == (0, 0, True)


def test_checkpoints_that_a_slow_store_gave_back_do_not_pile_up(runner: Runner) -> None:
    """In memory that nobody counts."""
    store = DictStore(blocking=True)
    with Engine(runner, stores={"disk": store}) as engine:
        engine.ask(question(TEXT))
    with Engine(runner, stores={"disk": store}) as engine:
        (again,) = engine.ask(question(TEXT))
        nodes = [node for root in engine.loop.cache.tree.roots.values() for node in root.below()]
        found = [node.checkpoint for node in nodes if node.checkpoint is not None and node.end == again.cached]
    assert again.cached > 0
    assert [state.data for state in found] == [None]


def _waited_for() -> tuple[Archive, Tiers, State]:
    """A state that a slow store has given back for two sequences."""
    tree, tiers = PrefixTree(4), Tiers({"slow": DictStore(blocking=True)}, lambda _: None)
    archive = Archive(tree, tiers)
    key = StateKey(scope=bytes(32), tokens=packed(range(30)), start=0)
    archive.known(0, key)
    (state,) = tree.match(key.scope, key.tokens, 30).path[-1].states
    state.data = memoryview(b"state")
    state.awaited = 2
    return archive, tiers, state


def test_who_goes_does_not_take_along_what_another_waits_for() -> None:
    """A state stays in memory until nobody waits for it any more."""
    archive, tiers, state = _waited_for()
    archive.let_go(state)
    assert bytes(archive.get(state) or b"") == b"state"
    archive.let_go(state)
    assert archive.get(state) is None
    assert state.tiers
    archive.check_integrity()
    tiers.close()


def test_what_a_store_has_lost_meanwhile_is_forgotten_with_the_last_copy() -> None:
    """Nobody has it then."""
    archive, tiers, state = _waited_for()
    state.tiers.clear()
    tiers.lost(state)
    for _ in range(2):
        archive.check_integrity()
        archive.let_go(state)
    archive.check_integrity()
    assert not state.node.states
    tiers.close()


def test_what_is_too_short_to_be_kept_is_not_counted_as_computed_again(runner: Runner) -> None:
    """All prompts of a template begin alike."""
    with Engine(runner) as engine:
        for text in ("The one", "The other", "The third"):
            engine.ask(question(text, tokens=30))
        assert engine.loop.cache.counters.recomputed == {}


def test_what_has_left_and_is_computed_again_is_counted(runner: Runner) -> None:
    """All but the last token, which is computed in any case."""
    with Engine(runner) as engine:
        engine.ask(question(TEXT))
        engine.leave_device()
        engine.loop.cache.archive.clear()
        (again,) = engine.ask(question(TEXT))
        assert engine.loop.cache.counters.recomputed == {"evicted": again.ends[0].usage.prompt_tokens - 1}


def test_what_is_there_and_cannot_be_gone_back_to_is_counted(runner: Runner) -> None:
    """Two prompts part where no checkpoint was taken."""
    with Engine(runner) as engine:
        engine.ask(question(f"{TEXT} and then one thing"))
        (other,) = engine.ask(question(f"{TEXT} and then another"))
        recomputed = engine.loop.cache.counters.recomputed
    assert other.cached == 0
    assert recomputed.keys() == {"no_checkpoint"}
    assert len(TEXT) / 4 < recomputed["no_checkpoint"] < other.ends[0].usage.prompt_tokens


def test_what_was_preempted_and_is_computed_again_is_counted() -> None:
    """Where nothing can be kept, all of it."""
    runner = load("sliding-window, deterministic", context=256)
    with Engine(runner, Unsteady()) as engine:
        engine.ask(question(TEXT))
        assert engine.loop.clock.preemptions > 0
        assert engine.loop.cache.counters.recomputed.keys() == {"preempted"}
    runner.close()


def test_what_the_cost_model_goes_by_is_shown(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its measured inputs, and what it decided."""
    monkeypatch.setattr(StepCosts, "idle_cell_s", 1e-12)
    with Engine(runner) as engine:
        engine.ask(question(TEXT))
        engine.ask(question(TEXT))
        cache = engine.loop.cache
        cache.state_costs.restored(100, 0.5)
        stats = cache_stats(cache)
    assert stats.restore_token_s == cache.state_costs.restore_token_s > 0
    assert stats.idle_cell_s == 1e-12
    assert (stats.kept, stats.hits, stats.lookups) == (1, 1, 2)
    assert stats.moved == cache.counters.moved


@pytest.mark.parametrize("after", [0.0, 1000.0])
def test_an_engine_at_rest_sees_whether_everything_adds_up(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, after: float
) -> None:
    """Once, and not while the next request may be on its way: with many states that takes a while."""
    monkeypatch.setattr(loop_module, "_CHECK_AFTER_S", after)
    checks: list[float] = []
    monkeypatch.setattr(SequenceTable, "check_integrity", lambda _: checks.append(after))
    with Engine(runner) as engine:
        for _ in range(3):
            engine.ask(question(TEXT))
            engine.between_steps(lambda: None)
        engine.between_steps(lambda: None)
        seen = len(checks)
    assert (seen > 0) is (after == 0.0)
