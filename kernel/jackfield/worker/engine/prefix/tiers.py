"""The KV stores as the engine sees them, asked in order."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from jackfield.worker.engine.prefix.store_thread import StoreThread
from jackfield.worker.engine.prefix.tier import BEHIND, HUNG, Tier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from jackfield.ports.kv_store import KVStore, StateKey
    from jackfield.worker.engine.prefix.states import State

log = structlog.get_logger("jackfield.engine")

LEARN_S: Final = 0.002
"""How long the loop takes in keys between two steps that a store has come to hold."""


class Tiers:
    """All stores of a worker, in the order in which they are asked. Engine loop thread, but for ``close``.

    Parameters:
        stores: Opened stores by name.
        tell: Has a function called by the engine loop's thread; from any thread.
    """

    def __init__(self, stores: Mapping[str, KVStore], tell: Callable[[Callable[[], None]], None]) -> None:
        self.all = [Tier(name, store) for name, store in stores.items()]
        self.lost: Callable[[State], None] = lambda _: None
        """Called in the loop's thread with a state that a slow store did not keep, or has lost."""
        self.learnt: Callable[[int, StateKey], None] = lambda _tier, _key: None
        """Called in the loop's thread with a tier, by its index, and what that has come to hold by itself."""
        self._tell = tell
        slow = [tier for tier in self.all if tier.blocking]
        self._thread = StoreThread(slow, self._look_again) if slow else None

    def __iter__(self) -> Iterator[Tier]:
        return iter(self.all)

    @property
    def any(self) -> bool:
        """Whether there is a store that works."""
        return any(not tier.out for tier in self.all)

    @property
    def slow(self) -> bool:
        """Whether there is a slow one that works."""
        return any(tier.blocking and not tier.out for tier in self.all)

    @property
    def roomy(self) -> bool:
        """Whether there is a quick one that works and has room."""
        return any(not tier.blocking and not tier.out and not tier.full for tier in self.all)

    def quick_lack(self, state: State) -> bool:
        """Whether a quick store that works was not given *state*, or has forgotten it."""
        return any(
            index not in state.tiers and not tier.blocking and not tier.out for index, tier in enumerate(self.all)
        )

    def faded(self, state: State) -> None:
        """*state* was not used here for a while: forget those quick stores that may have dropped it, or soon will.

        A store says nothing when it evicts; one that evicts what was used least recently has not, as long as less than
        its bound was put there since.
        """
        for index, since in list(state.tiers.items()):
            tier = self.all[index]
            if not tier.blocking and 2 * (tier.written - since) > tier.usage().limit_bytes:
                del state.tiers[index]

    def make_way(self, state: State) -> None:
        """Drop *state* from quick stores that are full."""
        for index in list(state.tiers):
            tier = self.all[index]
            if not tier.blocking and tier.full:
                tier.drop(state.key)
                del state.tiers[index]

    def keep(self, state: State, data: memoryview, *, quick: bool = True) -> bool:
        """Put *state* into every store that lacks it, if it is slow or *quick* ones are to have it too.

        Returns:
            Whether any of them has it, or will have tried.
        """
        for index, tier in enumerate(self.all):
            if tier.out or index in state.tiers:
                continue
            if not tier.blocking:
                if quick and tier.put(state.key, data):
                    state.tiers[index] = tier.written
            elif self._write(index, tier, state, data):
                state.tiers[index] = tier.written
        return bool(state.tiers)

    def at_hand(self, state: State) -> memoryview | None:
        """*state*, if it can be had at once."""
        if state.data is not None:
            return state.data
        for index in sorted(state.tiers):
            tier = self.all[index]
            if tier.blocking or tier.out:
                continue
            found = tier.get(state.key)
            if found is not None:
                state.tiers[index] = tier.written
                return found
            del state.tiers[index]
        return None

    def is_at_hand(self, state: State) -> bool:
        """Whether ``at_hand`` may give it."""
        return state.data is not None or any(not self.all[index].blocking for index in state.tiers)

    def fetch(self, states: Sequence[State], done: Callable[[], None]) -> None:
        """Read what only slow stores have of *states*; then call *done* in the loop's thread."""
        wanted = [
            (state, index, self.all[index])
            for state in states
            for index in sorted(state.tiers)[:1]
            if not self.is_at_hand(state) and not self.all[index].out
        ]
        if not wanted or self._thread is None:
            done()
            return

        found = [(state, index, self._thread.waiting(tier, state.key)) for state, index, tier in wanted]
        here = [each for each in found if each[2] is not None]
        away = [each for each, (_, _, data) in zip(wanted, found, strict=True) if data is None]

        def read() -> None:
            there = [(state, index, tier.get(state.key)) for state, index, tier in away]
            self._tell(lambda: self._arrived([*here, *there], done))

        if away and self._thread.ask(read):
            return
        if away:
            away[0][2].trouble(HUNG)
        self._arrived(here, done)

    def forget(self, state: State) -> None:
        """Drop *state* from every store."""
        state.data = None
        for index in state.tiers:
            self._drop(self.all[index], state.key)
        state.tiers.clear()

    def clear(self) -> None:
        """Drop everything from every store."""
        for tier in self.all:
            if tier.blocking and self._thread is not None:
                self._thread.clear(tier)
            else:
                tier.clear()

    def close(self) -> None:
        """Let the slow stores finish what they were given, for a while, and close all. After the loop has ended."""
        for tier in self.all:
            if not tier.blocking:
                tier.close()
        if self._thread is None:
            return
        left = self._thread.close()
        if left.states:
            log.warning("states were not written before the end", states=left.states, bytes=left.nbytes)
        for name in left.hanging:
            log.error("a KV store hangs, and was not closed", store=name)

    def _write(self, index: int, tier: Tier, state: State, data: memoryview) -> bool:
        """Have a slow store be given *data*; False if it is too far behind."""

        def write() -> None:
            if not tier.put(state.key, data):
                self._tell(lambda: self._gone(state, index))

        if tier.hangs:
            tier.trouble(HUNG)
        taken = self._thread is not None and self._thread.put(tier, state.key, write, data)
        if not taken:
            tier.trouble(BEHIND)
        return taken

    def _drop(self, tier: Tier, key: StateKey) -> None:
        if not tier.blocking or self._thread is None:
            tier.drop(key)
        elif not self._thread.drop(tier, key):
            tier.trouble(BEHIND)

    def _look_again(self) -> None:
        """Have the loop told of what slow stores have come to hold. Their thread."""
        for index, tier in enumerate(self.all):
            if tier.blocking and not tier.out:
                keys = tier.refresh()
                if keys:
                    self._tell(partial(self._learn, index, iter(keys)))

    def _learn(self, index: int, keys: Iterator[StateKey]) -> None:
        """Take in some of *keys*, and the rest between later steps."""
        until = time.perf_counter() + LEARN_S
        for key in keys:
            self.learnt(index, key)
            if time.perf_counter() >= until:
                self._tell(partial(self._learn, index, keys))
                return

    def _arrived(self, found: Iterable[tuple[State, int, memoryview | None]], done: Callable[[], None]) -> None:
        """Slow stores have answered: what they gave stays in memory until it was used."""
        for state, index, data in found:
            if data is None:
                self._gone(state, index)
            elif state.tiers:
                state.data = data
        done()

    def _gone(self, state: State, index: int) -> None:
        state.tiers.pop(index, None)
        self.lost(state)
