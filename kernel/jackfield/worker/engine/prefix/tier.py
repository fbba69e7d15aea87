"""One KV store as the engine sees it: measured, and named where it fails."""

from __future__ import annotations

import re
import time
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

import structlog

from jackfield.port_calls import REPORT_INTERVAL_S, CallTimes
from jackfield.ports.kv_store import StoreUsage
from jackfield.ports.observer import StoreStats

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jackfield.ports.kv_store import KVStore, StateKey

log = structlog.get_logger("jackfield.engine")

T = TypeVar("T")

FULL: Final = 0.9
"""Part of a quick store's room from which on it holds nothing that is on the device as well."""

EMPTIED: Final = 0.5
"""Below this part of its room a store that was full is so no more: less leaves it for the device between two looks."""

FAULTS_MAX: Final = 16
"""Exceptions in a row after which a store is left out until the worker starts anew."""

HANGS_S: Final = 1.0
"""How long a call is under way when nobody waits behind it any more."""

REASONS_MAX: Final = 16
"""Reasons of trouble that are told of one store: they become labels of metrics."""

EXCEPTION: Final = "exception"
"""The engine's own reason: a method of the store raised."""

BEHIND: Final = "behind"
"""So much waits for the store already that a state was not written, or not dropped."""

HUNG: Final = "hung"
"""It was to be read from, or written to, while it had not come back from a call."""

_REASON: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")


class Tier:
    """One store. Its own thread's if it blocks, else the engine loop's; what is a property, and ``stats``: any thread.

    Parameters:
        name: Its instance's, for logs and figures.
        store: Opened.
    """

    def __init__(self, name: str, store: KVStore) -> None:
        self.name = name
        self.blocking = store.blocking
        self.hits = 0
        self.written = 0
        """Bytes put since the worker started; the store's thread's if it blocks."""
        self._store = store
        self._full = False
        self._faults = 0
        """Exceptions in a row."""
        self._own: dict[str, int] = {}
        """What the engine says has gone wrong: how often, by reason."""
        self._told: dict[str, tuple[float, int]] = {}
        """When each reason may be in the log again, and how often it was when it last was."""
        self._next_report = 0.0
        self._began: float | None = None
        self._puts = CallTimes("KVStore.put", name)
        self._gets = CallTimes("KVStore.get", name)
        self._tell()

    @property
    def out(self) -> bool:
        """Whether it failed so often that it is not asked any more."""
        return self._faults >= FAULTS_MAX

    @property
    def full(self) -> bool:
        """Whether what comes in next costs something else its place."""
        usage = self.usage()
        self._full = usage.used_bytes >= (EMPTIED if self._full else FULL) * usage.limit_bytes
        return self._full

    @property
    def busy(self) -> bool:
        """Whether a call is under way."""
        return self._began is not None

    @property
    def hangs(self) -> bool:
        """Whether a call has been under way for so long that nobody should wait for the next."""
        return self.busy and self._busy_s() >= HANGS_S

    def put(self, key: StateKey, data: memoryview) -> bool:
        """Whether *data* is kept."""
        began = time.perf_counter()
        kept = bool(self._called("put", lambda: self._store.put(key, data), default=False))
        self.written += kept * len(data)
        if not self.blocking:
            self._puts.took(time.perf_counter() - began)
        self._tell()
        return kept

    def get(self, key: StateKey) -> memoryview | None:
        """What was put under *key*, if it is there."""
        began = time.perf_counter()
        found = self._called("get", lambda: self._store.get(key), default=None)
        if not self.blocking:
            self._gets.took(time.perf_counter() - began)
        self.hits += found is not None
        self._tell()
        return found

    def drop(self, key: StateKey) -> None:
        """Forget *key*."""
        self._called("drop", lambda: self._store.drop(key), default=None)

    def clear(self) -> None:
        """Forget everything."""
        self._called("clear", self._store.clear, default=None)

    def refresh(self) -> Sequence[StateKey]:
        """What it has come to hold that nobody here has put there."""
        found: Sequence[StateKey] = self._called("refresh", lambda: list(self._store.refresh()), default=[])
        self._tell()
        if found:
            log.info("a KV store holds more than before", store=self.name, states=len(found))
        return found

    def usage(self) -> StoreUsage:
        """How full it is."""
        nothing = StoreUsage(entries=0, used_bytes=0, limit_bytes=0, error="its figures cannot be read")
        return self._guarded("usage", self._store.usage, default=nothing)

    def stats(self) -> StoreStats:
        """How it is, for metrics and operators."""
        usage = self.usage()
        troubles: Mapping[str, int] = self._guarded("usage", lambda: _bounded(usage.troubles), default={})
        return StoreStats(
            name=self.name,
            entries=usage.entries,
            used_bytes=usage.used_bytes,
            limit_bytes=usage.limit_bytes,
            hits=self.hits,
            dropped=usage.dropped,
            error=self._error(usage),
            troubles={**troubles, **self._own},
        )

    def trouble(self, reason: str) -> None:
        """Count, and log now and then, what the engine has found wrong with it."""
        self._own[reason] = self._own.get(reason, 0) + 1
        self._tell()

    def close(self) -> None:
        """The end."""
        self._called("close", self._store.close, default=None)

    def _error(self, usage: StoreUsage) -> str:
        if self.hangs:
            return f"it has not come back from a call for {self._busy_s():.0f} s"
        return "it failed too often" if self.out else usage.error

    def _busy_s(self) -> float:
        began = self._began
        return 0.0 if began is None else time.monotonic() - began

    def _tell(self) -> None:
        """Log what has gone wrong since the last look: a new reason at once, then at most once a minute."""
        stats = self.stats()
        now = time.monotonic()
        for reason, count in stats.troubles.items():
            again, before = self._told.get(reason, (0.0, 0))
            if count > before and now >= again and reason != EXCEPTION:  # which has a line of its own
                self._told[reason] = now + REPORT_INTERVAL_S, count
                log.warning(
                    "a KV store is in trouble", store=self.name, reason=reason, times=count - before, error=stats.error
                )

    def _called(self, method: str, call: Callable[[], T], *, default: T) -> T:
        """As ``_guarded``, for what may take long."""
        self._began = time.monotonic()
        try:
            return self._guarded(method, call, default=default)
        finally:
            self._began = None

    def _guarded(self, method: str, call: Callable[[], T], *, default: T) -> T:
        """What *call* returns; *default* where it fails: that costs a computation, never a request."""
        try:
            answer = call()
        except Exception as error:  # noqa: BLE001
            self._fail(method, type(error).__name__)
            return default
        self._faults = 0 if method in ("put", "get") else self._faults
        return answer

    def _fail(self, method: str, error: str) -> None:
        """Log the name of an *error* and no more: its words may have a prompt's tokens, or a path of the host."""
        self._faults += 1
        self._own[EXCEPTION] = self._own.get(EXCEPTION, 0) + 1
        if time.monotonic() >= self._next_report or self._faults == FAULTS_MAX:
            self._next_report = time.monotonic() + REPORT_INTERVAL_S
            log.error("a KV store failed", store=self.name, call=method, error=error, left_out=self.out)


def _bounded(troubles: Mapping[str, int]) -> Mapping[str, int]:
    """*troubles* of a store that may be anybody's, as labels of metrics."""
    return {
        reason if _REASON.fullmatch(reason) else "other": int(count)
        for reason, count in islice(troubles.items(), REASONS_MAX)
    }
