"""KV stores: tiers below the device, where computed prefixes wait to be used again.

``jackfield_kv_stores`` hands over factories of ``KVStore``. A worker makes one of each, and puts the state of a prefix
into those that block soon after a sequence has ended, and into all when it leaves the device. First
listed is asked first. What a store loses is computed again: a store may forget anything at any time, and must never
give back anything but what it was given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, TypeAlias

import msgspec


class StateKey(msgspec.Struct, frozen=True, kw_only=True):
    """What a stored state is the state of."""

    scope: bytes
    """Whose it is: 32 bytes that tell tenants (and adapter sets) apart. Only equal scopes share."""
    tokens: bytes
    """Token ids from position 0 to the state's end, as little-endian int32."""
    start: int
    """First position that the state covers; 0 where it covers all of ``tokens``."""
    kind: str = "state"
    """``state``, or ``checkpoint``: the part of a state that cannot be cut back, at its end."""

    @property
    def end(self) -> int:
        """Position after the last one covered."""
        return len(self.tokens) // 4


class StoreUsage(msgspec.Struct, frozen=True, kw_only=True):
    """How full a store is."""

    entries: int
    used_bytes: int
    limit_bytes: int
    dropped: int = 0
    """Entries found damaged, or lost to errors, since it was opened."""
    error: str = ""
    """What is wrong with the store as a whole, for people; empty while it works. No host path."""
    troubles: Mapping[str, int] = {}
    """What has gone wrong since it was opened: how often, by reason. A few fixed words, such as ``disk_full``: they
    become labels of metrics, and lines in the log. Lower-case letters, digits and underscores, at most 32."""


class KVStore(Protocol):
    """Keeps states within a bound, evicting what was used least recently."""

    @property
    def blocking(self) -> bool:
        """Whether ``put`` and ``get`` may take longer than a copy in memory does; fixed.

        They are then called by a thread of their own, else by the engine loop thread.
        """
        ...

    def open(self, layout: str) -> Iterable[StateKey]:
        """Begin.

        Parameters:
            layout: Names model file, KV layout and library; states of another layout are useless, and are dropped.

        Returns:
            What it holds from an earlier life, the least recently used first.

        Process and thread: worker, main thread; once, before anything else. Deadline: 5 s. Failure policy: closed at
        start: ``ManifestError`` names the option at fault.
        """
        ...

    def put(self, key: StateKey, state: memoryview) -> bool:
        """Keep a copy of *state*, at the cost of others.

        Returns:
            Whether it is kept. What is larger than the store, or cannot be written, is not.

        Process and thread: worker, engine loop thread, or the store thread if ``blocking``. Deadline: 5 ms for 10 MB
        where it does not block, else 1 s. Failure policy: open; an exception is logged by name, and the state is gone.
        """
        ...

    def get(self, key: StateKey) -> memoryview | None:
        """The state put under *key*, checked; None if it is not there any more. Counts as a use.

        Process and thread: worker, engine loop thread, or the store thread if ``blocking``. Deadline: 5 ms for 10 MB
        where it does not block, else 1 s. Failure policy: open; an exception is logged by name, and the prefix is
        computed again.
        """
        ...

    def drop(self, key: StateKey) -> None:
        """Forget *key*, if it is there.

        Process and thread: worker, engine loop thread, or the store thread if ``blocking``. Deadline: 1 ms where it
        does not block. Failure policy: open.
        """
        ...

    def clear(self) -> None:
        """Forget everything of this layout.

        Process and thread: worker, engine loop thread, or the store thread if ``blocking``. Deadline: 1 s. Failure
        policy: open.
        """
        ...

    def refresh(self) -> Iterable[StateKey]:
        """Look whether it can be used by now, where it could not; say what it has come to hold by itself.

        Returns:
            What it holds that was neither put here nor named before, such as what is in a folder that another worker
            has just given free; the least recently used first.

        Process and thread: worker, store thread, every ten seconds; a store that does not block is not asked.
        Deadline: 5 s. Failure policy: open; an exception is logged by name.
        """
        ...

    def usage(self) -> StoreUsage:
        """How full it is.

        Process and thread: worker, any thread. Deadline: 100 µs. Failure policy: open.
        """
        ...

    def close(self) -> None:
        """Make durable what is to survive, and give back what is held. Nothing else is called afterwards.

        Process and thread: worker, main thread, or the store thread if ``blocking``; once. Deadline: 0.5 s; the worker
        then ends without. Failure policy: open.
        """
        ...


KVStoreFactory: TypeAlias = Callable[[str], KVStore]
"""What ``jackfield_kv_stores`` hands over: makes the store of the model whose name (key in ``[models]``) it gets."""
