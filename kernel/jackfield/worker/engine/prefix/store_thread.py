"""The thread that talks to slow stores, so that the engine loop never waits for a disk."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from jackfield.ports.kv_store import StateKey
    from jackfield.worker.engine.prefix.tier import Tier

BACKLOG_MAX: Final = 256 * 1024 * 1024
"""Bytes of states and keys that may wait. What comes when a disk is that far behind is not kept, or not dropped."""

KEY_BYTES: Final = 2048
"""What a call that waits takes besides its tokens and its state. Estimated, rounded up."""

READS_MAX: Final = 64
"""Reads that may wait."""

REFRESH_S: Final = 10.0
"""Between two looks whether stores hold something that nobody here has put there."""

WRITE_S: Final = 1.5
"""How long the end waits for what is still to be written."""

LAST_S: Final = 0.5
"""How long it then waits for the call that is under way, and for the stores to be closed."""


class Left(NamedTuple):
    """What a thread that was closed has not come to."""

    states: int
    """That were to be written."""
    nbytes: int
    """Of them."""
    hanging: Sequence[str]
    """Names of stores that have not come back from a call."""


class _Job(NamedTuple):
    call: Callable[[], None]
    nbytes: int
    data: memoryview | None = None
    """What it writes."""


class StoreThread:
    """Calls slow stores, one call after another. Reads go before all else, which keeps its order.

    Of what waits for one key only the last counts, and nothing that waits for a store outlives its being cleared: a
    disk that is behind is not given work that is of no use any more. Engine loop thread.

    Parameters:
        tiers: The slow ones.
        look_again: Called every ``REFRESH_S`` seconds, between two other calls.
    """

    def __init__(self, tiers: Sequence[Tier], look_again: Callable[[], None]) -> None:
        self._tiers = tiers
        self._look_again = look_again
        self._reads: deque[Callable[[], None]] = deque()
        self._jobs: OrderedDict[tuple[Tier, StateKey | None], _Job] = OrderedDict()
        self._waiting = 0
        """Bytes of jobs, with that which is under way."""
        self._under_way: tuple[tuple[Tier, StateKey | None], _Job] | None = None
        """The job that is under way."""
        self._looked = time.monotonic()
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="kv-stores", daemon=True)
        self._thread.start()

    def ask(self, call: Callable[[], None]) -> bool:
        """Have *call*, which reads, called soon; False if a store hangs, or too many wait already."""
        with self._changed:
            if len(self._reads) >= READS_MAX or any(tier.hangs for tier in self._tiers):
                return False
            self._reads.append(call)
            self._changed.notify()
        return True

    def put(self, tier: Tier, key: StateKey, call: Callable[[], None], data: memoryview) -> bool:
        """Have *call*, which writes *data* under *key*, called; False if too much waits already."""
        return self._add(tier, key, _Job(call, len(data) + _size(key), data))

    def waiting(self, tier: Tier, key: StateKey) -> memoryview | None:
        """What is to be written under *key*, or is just being written."""
        place = tier, key
        with self._changed:
            job = self._jobs.get(place)
            if job is None and self._under_way is not None and self._under_way[0] == place:
                job = self._under_way[1]
        return job.data if job is not None else None

    def drop(self, tier: Tier, key: StateKey) -> bool:
        """Have *key* dropped; False if too much waits already, and the store is left to evict it."""
        return self._add(tier, key, _Job(partial(tier.drop, key), _size(key)))

    def clear(self, tier: Tier) -> None:
        """Have everything dropped that *tier* holds, or was to be given."""
        with self._changed:
            for place in [place for place in self._jobs if place[0] is tier]:
                self._take_back(place)
        self._add(tier, None, _Job(tier.clear, 0))

    def close(self) -> Left:
        """Write what waits as far as there is time, close the stores, end the thread; say what was left.

        Takes at most ``WRITE_S + LAST_S`` seconds, also where a store never comes back.
        """
        with self._changed:
            self._closing = True
            self._reads.clear()
            self._changed.notify()
        self._thread.join(WRITE_S)
        with self._changed:
            left = [job.data for job in self._jobs.values() if job.data is not None]
            self._jobs.clear()
        self._thread.join(LAST_S)
        hanging = [tier.name for tier in self._tiers if tier.busy] if self._thread.is_alive() else []
        return Left(len(left), sum(len(data) for data in left), hanging)

    def _add(self, tier: Tier, key: StateKey | None, job: _Job) -> bool:
        with self._changed:
            self._take_back((tier, key))
            if self._waiting + job.nbytes > BACKLOG_MAX:
                return False
            self._jobs[tier, key] = job
            self._waiting += job.nbytes
            self._changed.notify()
        return True

    def _take_back(self, place: tuple[Tier, StateKey | None]) -> None:
        job = self._jobs.pop(place, None)
        self._waiting -= job.nbytes if job is not None else 0

    def _run(self) -> None:
        while (job := self._next()) is not None:
            job.call()
            with self._changed:
                self._waiting -= job.nbytes
                self._under_way = None
        for tier in self._tiers:
            tier.close()

    def _next(self) -> _Job | None:
        """What is to be called now, once there is something; None at the end."""
        with self._changed:
            while True:
                if self._reads:
                    return _Job(self._reads.popleft(), 0)
                due = self._looked + REFRESH_S - time.monotonic()
                if due <= 0 and not self._closing:
                    self._looked = time.monotonic()
                    return _Job(self._look_again, 0)
                if self._jobs:
                    self._under_way = self._jobs.popitem(last=False)
                    return self._under_way[1]
                if self._closing:
                    return None
                self._changed.wait(due)


def _size(key: StateKey) -> int:
    return len(key.tokens) + KEY_BYTES
