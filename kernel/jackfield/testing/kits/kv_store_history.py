"""States and keys to try KV stores with, and any history of one: what ``KVStoreKit`` plays with."""

from __future__ import annotations

import random
from collections import deque
from itertools import count
from typing import TYPE_CHECKING, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from jackfield.ports.kv_store import StateKey

if TYPE_CHECKING:
    from jackfield.ports.kv_store import KVStore

LAYOUT: Final = "demo, f16, 4 layers, llama.cpp 1"
OTHER_LAYOUT: Final = "demo, q8_0, 4 layers, llama.cpp 1"

_PERIOD: Final = 4099
"""A prime: nothing is stored in blocks of so many bytes."""

_VIEWS: Final = 4
"""States given back that a history still looks at."""

_names = count()
_run: Final = random.SystemRandom().randbytes(6).hex()
"""Names of models are new in each run, as a store may outlive it."""


def key(tokens: tuple[int, ...] = (1, 2, 3), *, scope: int = 0, start: int = 0, kind: str = "state") -> StateKey:
    """A key; *scope* is a number here."""
    ids = b"".join(token.to_bytes(4, "little", signed=True) for token in tokens)
    return StateKey(scope=scope.to_bytes(32, "little"), tokens=ids, start=start, kind=kind)


def state(seed: int, size: int) -> memoryview:
    """*size* bytes that no other *seed* gives; no two blocks of them are the same."""
    some = random.Random(seed).randbytes(_PERIOD)
    return memoryview(some * (size // _PERIOD + 1))[:size]


def new_model() -> str:
    """A model that no test has had yet."""
    return f"kit {_run} {next(_names)}"


_KEYS: Final = st.sampled_from(
    [
        key(),
        key((1, 2, 4)),
        key((1, 2)),
        key(scope=1),
        key(start=1),
        key(kind="checkpoint"),
        key((7,)),
        key((8,)),
    ]
)
"""Few, so that they meet again."""

_SEVERAL: Final = st.lists(_KEYS, min_size=1, max_size=6)

_SMALL: Final = 60
"""Up to here, sizes are small ones."""


class StoreMachine(RuleBasedStateMachine):
    """A store beside a dictionary: it may forget anything, and must not invent anything."""

    def __init__(self) -> None:
        super().__init__()
        self._model = new_model()
        self._given: dict[StateKey, bytes] = {}
        self._views: deque[tuple[memoryview, bytes]] = deque(maxlen=_VIEWS)
        self._store = self._opened(LAYOUT)
        self._limit = self._store.usage().limit_bytes

    @rule(keys=_SEVERAL, seed=st.integers(0, 1000), share=st.integers(0, 120))
    def put(self, keys: list[StateKey], seed: int, share: int) -> None:
        """Up to a little more than fits, in hundredths of the bound."""
        size = self._limit * share // 100 if share > _SMALL else share * 50
        for number, each in enumerate(keys):
            given = state(1000 * number + seed, size)
            kept = self._store.put(each, given)
            self._given.pop(each, None)
            if kept:
                self._given[each] = bytes(given)
            else:
                assert self._store.get(each) is None

    @rule(keys=_SEVERAL)
    def get(self, keys: list[StateKey]) -> None:
        """What was put last, or nothing."""
        for each in keys:
            found = self._store.get(each)
            if found is None:
                self._given.pop(each, None)
                continue
            assert each in self._given, "it gave back what it was never given, or what had been dropped"
            assert found == self._given[each]
            self._views.append((found, self._given[each]))

    @rule(key=_KEYS)
    def drop(self, key: StateKey) -> None:
        """It is gone."""
        self._store.drop(key)
        self._given.pop(key, None)
        assert self._store.get(key) is None

    @rule(how=st.sampled_from(["clear", "the same layout", "another layout", *["not at all"] * 9]))
    def start_over(self, how: str) -> None:
        """Now and then, as an operator does or a restart of the worker, with the same model file or another one."""
        if how == "not at all":
            return
        if how == "clear":
            self._store.clear()
            assert self._store.usage().entries == 0
        else:
            self._store.close()
        if how != "the same layout":
            self._given.clear()
        if how == "another layout":
            self._opened(OTHER_LAYOUT).close()
        if how != "clear":
            self._store = self._opened(LAYOUT)

    @invariant()
    def keeps_its_bound(self) -> None:
        """Always, and holds nothing that it was not given."""
        usage = self._store.usage()
        assert usage.used_bytes <= usage.limit_bytes
        assert usage.entries <= len(self._given)

    @invariant()
    def leaves_alone_what_it_gave(self) -> None:
        """Somebody may still read it."""
        assert all(view == given for view, given in self._views)

    def made(self, model: str) -> KVStore:
        """The store of *model*, not open yet."""
        raise NotImplementedError

    def teardown(self) -> None:
        """The next history begins elsewhere."""
        self._store.clear()
        self._store.close()

    def _opened(self, layout: str) -> KVStore:
        store = self.made(self._model)
        held = list(store.open(layout))
        assert set(held) <= self._given.keys(), "it holds what it was never given"
        self._given = {each: self._given[each] for each in held}
        return store
