"""Where memory is scarce: what leaves the device and the stores, and what stays."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from tests.kernel.worker.stores import DictStore, ask, loop_with

from jackfield.ports.kv_store import StoreUsage
from jackfield.worker.engine.prefix.costs import StepCosts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jackfield.ports.kv_store import StateKey
    from jackfield.worker.engine.loop import EngineLoop

TOKENS = 200
"""Of a prompt: the pool of 512 cells holds two and a half."""


@pytest.fixture(autouse=True)
def _cells_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that only those leave that must."""
    monkeypatch.setattr(StepCosts, "idle_cell_s", 0.0)


class Bounded(DictStore):
    """Evicts what was put longest ago.

    Parameters:
        tokens: Most tokens of all states.
    """

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.most = tokens

    def put(self, key: StateKey, state: memoryview) -> bool:
        """As long as there is room."""
        kept = super().put(key, state)
        while self.tokens > self.most:
            del self.entries[next(iter(self.entries))]
        return kept

    @property
    def tokens(self) -> int:
        """Of all states."""
        return sum(key.end - key.start for key in self.entries)

    def usage(self) -> StoreUsage:
        """In tokens."""
        return StoreUsage(entries=len(self.entries), used_bytes=self.tokens, limit_bytes=self.most)


def prompt(letter: str, beginning: str = "") -> str:
    """A prompt of its own, but for its beginning."""
    end = "[say:fine]\n<assistant>"
    return beginning + letter * (TOKENS - len(beginning) - len(end)) + end


@contextmanager
def running(loop: EngineLoop) -> Iterator[None]:
    """While *loop* runs."""
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        yield
    finally:
        loop.stop()
        thread.join(20)
    loop.table.check_integrity()


def cached(loop: EngineLoop, text: str) -> int:
    """Tokens of the prompt *text* that were not computed."""
    asker = ask(loop, text)
    assert asker.ended.wait(20)
    assert asker.text == "fine"
    return asker.cached


def test_the_end_of_a_prefix_leaves_first() -> None:
    """As much as is needed, and not much more: the beginning stays on the device, and is used again."""
    loop = loop_with(Bounded(0))
    with running(loop):
        assert [cached(loop, prompt(letter)) for letter in "abc"] == [0, 0, 0]
        assert cached(loop, prompt("a")) >= 64


def test_device_and_full_store_hold_as_much_as_both_have_room_for() -> None:
    """What comes back from the store gives its place to what leaves the device: nothing is held twice, or lost."""
    store = Bounded(2 * TOKENS)
    loop = loop_with(store)
    with running(loop):
        for letter in "abcd":
            cached(loop, prompt(letter))
        for _ in range(3):
            assert [cached(loop, prompt(letter)) for letter in "abcd"] == [TOKENS - 1] * 4
    assert store.tokens >= TOKENS


def test_whose_beginning_others_use_keeps_its_turn() -> None:
    """Nobody wanted its end; what was wanted the new one holds too."""
    loop = loop_with(DictStore())
    beginning = "the same words for all " * 3
    with running(loop):
        for text in (prompt("a", beginning), prompt("b"), prompt("c", beginning)):
            assert cached(loop, text) in {0, len(beginning)}
    ends = [chr(resident.node.key()[-4 * 40]) for resident in loop.cache.holders.residents.values()]
    assert ends == ["a", "b", "c"]


def test_prefixes_that_cost_nothing_to_compute_stay_for_a_while() -> None:
    """Of steps that take microseconds the costs are not known: nothing must leave for that."""
    loop = loop_with(DictStore())
    with running(loop):
        for letter in "abcd":
            cached(loop, prompt(letter))
    cache = loop.cache
    free = SimpleNamespace(observe=lambda *_: None, idle_s=lambda *_: 1e-7, token_s=lambda _: 0.0)
    cache.costs = free  # type: ignore[assignment]  # as a fit of noise may say
    for _ in range(100):
        cache.stepped(1, 0, 1e-4)
    assert not cache.counters.moved
    for _ in range(2000):
        cache.stepped(1, 0, 1e-4)
    assert cache.counters.moved


@pytest.mark.parametrize(("room", "leaves"), [(10 * TOKENS, True), (2 * TOKENS, False)])
def test_idle_prefixes_do_not_leave_for_a_full_store(*, room: int, leaves: bool) -> None:
    """They would take the place of others there, which then have to be computed."""
    loop = loop_with(Bounded(room))
    with running(loop):
        for letter in "abcd":
            cached(loop, prompt(letter))
    cache = loop.cache
    dear = SimpleNamespace(observe=lambda *_: None, idle_s=lambda *_: 1e-6, token_s=lambda _: 1.0)
    cache.costs = dear  # type: ignore[assignment]  # a machine on which cells cost much and computing far more
    for _ in range(1000):
        cache.stepped(1, 0, 0.01)
    assert bool(cache.counters.moved) is leaves
    cache.check_integrity([])
