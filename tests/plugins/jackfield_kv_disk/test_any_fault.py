"""``kv-disk`` where any call of the system may fail at any time, alone or for a while."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from jackfield.errors import ManifestError
from jackfield.testing.kits.kv_store_history import key, state
from jackfield_kv_disk.store import RETRY_S, DiskStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jackfield.ports.kv_store import StateKey

LIMIT = 1_050_000
CALLS: list[tuple[object, str]] = [
    *((os, name) for name in ("open", "write", "read", "readv", "fstat", "utime", "scandir", "statvfs")),
    *((Path, name) for name in ("mkdir", "rename", "unlink", "stat")),
]
NUMBERS = st.sampled_from([errno.EIO, errno.ENOSPC, errno.EACCES, errno.EROFS, errno.ENOENT, errno.EMFILE])
KEYS = st.sampled_from([key((number,)) for number in range(6)])
FAULTS = st.lists(st.tuples(st.integers(0, len(CALLS) - 1), st.integers(0, 3), NUMBERS), max_size=3)
"""Which call fails, after how many good ones, and how."""


class Faults:
    """Makes calls of the system fail, as long as it is used as a context."""

    def __init__(self, wanted: list[tuple[int, int, int]]) -> None:
        self._wanted = wanted
        self._patch = pytest.MonkeyPatch()

    def __enter__(self) -> None:
        for call, after, number in self._wanted:
            owner, name = CALLS[call]
            self._patch.setattr(owner, name, self._failing(getattr(owner, name), after, number))

    def __exit__(self, *_error: object) -> None:
        self._patch.undo()

    def _failing(self, call: Callable[..., Any], after: int, number: int) -> Callable[..., Any]:
        left = iter(range(after))

        def fail(*arguments: Any, **options: Any) -> Any:
            if next(left, None) is None:
                raise OSError(number, os.strerror(number))
            return call(*arguments, **options)

        return fail


class FaultyDisk(RuleBasedStateMachine):
    """Nothing is raised, nothing is invented, and the disk never holds more than the bound."""

    def __init__(self) -> None:
        super().__init__()
        self._base = Path(tempfile.mkdtemp()) / "kv"
        self._now = 0.0
        self._given: dict[StateKey, list[bytes]] = defaultdict(list)
        self._store = self._opened()

    def _opened(self) -> DiskStore:
        store = DiskStore(self._base, "demo", LIMIT, option="path", clock=lambda: self._now)
        store.open("layout")
        return store

    @rule(key=KEYS, seed=st.integers(0, 99), size=st.sampled_from([0, 100, 150_000, 400_000]), faults=FAULTS)
    def put(self, key: StateKey, seed: int, size: int, faults: list[tuple[int, int, int]]) -> None:
        """It is kept, or it is not."""
        given = state(seed, size)
        self._given[key].append(bytes(given))
        with Faults(faults):
            kept = self._store.put(key, given)
        if kept:
            assert self._store.get(key) == given
        else:
            assert self._store.get(key) is None

    @rule(key=KEYS, faults=FAULTS)
    def get(self, key: StateKey, faults: list[tuple[int, int, int]]) -> None:
        """What was given, or nothing."""
        with Faults(faults):
            found = self._store.get(key)
        assert found is None or bytes(found) in self._given[key]

    @rule(key=KEYS, faults=FAULTS)
    def drop(self, key: StateKey, faults: list[tuple[int, int, int]]) -> None:
        """It is not given back, whether its file could be removed or not."""
        with Faults(faults):
            self._store.drop(key)
        assert self._store.get(key) is None

    @rule(faults=FAULTS)
    def clear(self, faults: list[tuple[int, int, int]]) -> None:
        """Nothing is given back."""
        with Faults(faults):
            self._store.clear()
        assert self._store.usage().entries == 0

    @rule(faults=FAULTS)
    def refresh(self, faults: list[tuple[int, int, int]]) -> None:
        """What it names it was given."""
        with Faults(faults):
            found = list(self._store.refresh())
        assert set(found) <= self._given.keys()

    @rule(faults=FAULTS)
    def open_again(self, faults: list[tuple[int, int, int]]) -> None:
        """It opens, or says why not; the next time it does."""
        self._store.close()
        store = DiskStore(self._base, "demo", LIMIT, option="path", clock=lambda: self._now)
        try:
            with Faults(faults):
                store.open("layout")
        except ManifestError:
            store.close()
            store = self._opened()
        self._store = store

    @rule()
    def lose_the_folder(self) -> None:
        """Somebody cleans up."""
        shutil.rmtree(self._base, ignore_errors=True)

    @rule()
    def time_passes(self) -> None:
        """The folder is tried for again."""
        self._now += RETRY_S

    @invariant()
    def keeps_its_bound(self) -> None:
        """On the disk, and in what it says."""
        assert sum(-(-file.stat().st_size // 4096) * 4096 for file in self._files()) <= LIMIT
        usage = self._store.usage()
        assert 0 <= usage.used_bytes <= LIMIT
        assert str(self._base) not in usage.error

    def teardown(self) -> None:
        """The next history begins elsewhere."""
        self._store.close()
        shutil.rmtree(self._base.parent)

    def _files(self) -> Iterator[Path]:
        return self._base.glob("*/*/*.kv")


TestFaultyDisk = FaultyDisk.TestCase
TestFaultyDisk.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
