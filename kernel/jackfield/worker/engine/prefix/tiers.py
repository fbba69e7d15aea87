"""The KV stores as the engine sees them: asked in order, measured, and named where they fail."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import structlog

from jackfield.port_calls import REPORT_INTERVAL_S, CallTimes
from jackfield.ports.kv_store import StoreUsage
from jackfield.worker.engine.prefix.store_thread import StoreThread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from jackfield.ports.kv_store import KVStore, StateKey
    from jackfield.worker.engine.prefix.states import State

log = structlog.get_logger("jackfield.engine")

T = TypeVar("T")

FULL: Final = 0.9
"""Part of a quick store's room from which on it holds nothing that is on the device as well."""

FAULTS_MAX: Final = 16
"""Exceptions in a row after which a store is left out until the worker starts anew."""


class Tier:
    """One store. Its own thread's if it blocks, else the engine loop's.

    Parameters:
        name: Its instance's, for logs and figures.
        store: Opened.
    """

    def __init__(self, name: str, store: KVStore) -> None:
        self.name = name
        self.blocking = store.blocking
        self.hits = 0
        self.lost = 0
        """States that were gone or damaged when they were asked for."""
        self._store = store
        self.written = 0
        """Bytes put since the worker started; the store's thread's if it blocks."""
        self._faults = 0
        self._next_report = 0.0
        self._puts = CallTimes("KVStore.put", name)
        self._gets = CallTimes("KVStore.get", name)

    @property
    def out(self) -> bool:
        """Whether it failed so often that it is not asked any more."""
        return self._faults >= FAULTS_MAX

    @property
    def full(self) -> bool:
        """Whether what comes in next costs something else its place."""
        usage = self.usage()
        return usage.used_bytes >= FULL * usage.limit_bytes

    def put(self, key: StateKey, data: memoryview) -> bool:
        """Whether *data* is kept."""
        began = time.perf_counter()
        kept = bool(self._guarded("put", lambda: self._store.put(key, data), default=False))
        self.written += kept * len(data)
        if not self.blocking:
            self._puts.took(time.perf_counter() - began)
        return kept

    def get(self, key: StateKey) -> memoryview | None:
        """What was put under *key*, if it is there."""
        began = time.perf_counter()
        found = self._guarded("get", lambda: self._store.get(key), default=None)
        if not self.blocking:
            self._gets.took(time.perf_counter() - began)
        if found is None:
            self.lost += 1
        else:
            self.hits += 1
        return found

    def drop(self, key: StateKey) -> None:
        """Forget *key*."""
        self._guarded("drop", lambda: self._store.drop(key), default=None)

    def clear(self) -> None:
        """Forget everything."""
        self._guarded("clear", self._store.clear, default=None)

    def usage(self) -> StoreUsage:
        """How full it is."""
        nothing = StoreUsage(entries=0, used_bytes=0, limit_bytes=0, error="its figures cannot be read")
        return self._guarded("usage", self._store.usage, default=nothing)

    def close(self) -> None:
        """The end."""
        self._guarded("close", self._store.close, default=None)

    def _guarded(self, method: str, call: Callable[[], T], *, default: T) -> T:
        try:
            answer = call()
        except Exception as error:  # noqa: BLE001 - a store's failure costs a computation, never a request
            self._faults += 1
            if time.monotonic() >= self._next_report or self._faults == FAULTS_MAX:
                self._next_report = time.monotonic() + REPORT_INTERVAL_S
                kind = type(error).__name__  # and no more: its words may have a prompt's tokens, or a path of the host
                log.error("a KV store failed", store=self.name, call=method, error=kind, left_out=self.out)  # noqa: TRY400
            return default
        self._faults = 0 if method in ("put", "get") else self._faults
        return answer


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
        self._tell = tell
        self._thread = StoreThread() if any(tier.blocking for tier in self.all) else None

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
            elif self._thread is not None and self._thread.put(self._writing(index, tier, state, data), len(data)):
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

        def read() -> None:
            found = [(state, index, tier.get(state.key)) for state, index, tier in wanted]
            self._tell(lambda: self._arrived(found, done))

        if not self._thread.ask(read):
            done()

    def forget(self, state: State) -> None:
        """Drop *state* from every store."""
        state.data = None
        for index in state.tiers:
            tier = self.all[index]
            self._on(tier, partial(tier.drop, state.key))
        state.tiers.clear()

    def clear(self) -> None:
        """Drop everything from every store."""
        for tier in self.all:
            self._on(tier, tier.clear)

    def close(self) -> None:
        """Let the slow stores finish what they were given, and close all. Main thread, after the loop has ended."""
        if self._thread is not None:
            self._thread.close()
        for tier in self.all:
            tier.close()

    def _on(self, tier: Tier, call: Callable[[], None]) -> None:
        if tier.blocking and self._thread is not None:
            self._thread.later(call)
        else:
            call()

    def _writing(self, index: int, tier: Tier, state: State, data: memoryview) -> Callable[[], None]:
        def write() -> None:
            if not tier.put(state.key, data):
                self._tell(lambda: self._gone(state, index))

        return write

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
