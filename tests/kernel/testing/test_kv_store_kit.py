"""The KV store kit itself: it passes a correct store and catches each kind of wrong one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pytest

from jackfield.ports.kv_store import KVStore, KVStoreFactory, StateKey, StoreUsage
from jackfield.testing.kits.kv_store import KVStoreKit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LIMIT = 200_000


class Plain:
    """The simplest correct store."""

    blocking = False

    def __init__(self, _model: str) -> None:
        self.states: dict[StateKey, bytes] = {}

    def open(self, layout: str) -> Iterable[StateKey]:
        return ()

    def put(self, key: StateKey, state: memoryview) -> bool:
        self.drop(key)
        if state.nbytes + 100 > LIMIT:
            return False
        while self.used() + state.nbytes + 100 > LIMIT:
            self.evict()
        self.states[key] = bytes(state)
        return True

    def evict(self) -> None:
        del self.states[next(iter(self.states))]

    def get(self, key: StateKey) -> memoryview | None:
        if key not in self.states:
            return None
        self.states[key] = self.states.pop(key)
        return memoryview(self.states[key])

    def drop(self, key: StateKey) -> None:
        self.states.pop(key, None)

    def clear(self) -> None:
        self.states.clear()

    def used(self) -> int:
        return sum(len(state) + 100 for state in list(self.states.values()))

    def refresh(self) -> Iterable[StateKey]:
        return ()

    def usage(self) -> StoreUsage:
        return StoreUsage(entries=len(self.states), used_bytes=self.used(), limit_bytes=LIMIT)

    def close(self) -> None:
        self.states.clear()


class TestPlain(KVStoreKit):
    """It passes."""

    def factory(self) -> KVStoreFactory:
        return Plain


class Forgets(Plain):
    """Keeps nothing, and says it did."""

    def put(self, key: StateKey, state: memoryview) -> bool:
        return True


class Boundless(Plain):
    """Takes whatever comes."""

    def put(self, key: StateKey, state: memoryview) -> bool:
        self.states[key] = bytes(state)
        return True


class Borrows(Plain):
    """Keeps what it was handed instead of a copy."""

    def __init__(self, model: str) -> None:
        super().__init__(model)
        self.borrowed: dict[StateKey, memoryview] = {}

    def put(self, key: StateKey, state: memoryview) -> bool:
        self.borrowed[key] = state
        return super().put(key, state)

    def get(self, key: StateKey) -> memoryview | None:
        return self.borrowed[key] if super().get(key) is not None else None


class Reuses(Plain):
    """Gives back the same memory each time."""

    def __init__(self, model: str) -> None:
        super().__init__(model)
        self.memory = bytearray(LIMIT)

    def get(self, key: StateKey) -> memoryview | None:
        found = super().get(key)
        if found is None:
            return None
        self.memory[: len(found)] = found
        return memoryview(self.memory)[: len(found)]


class Newest(Plain):
    """Evicts what was used last."""

    def evict(self) -> None:
        self.states.popitem()


class Trims(Plain):
    """Gives less than it was given."""

    def get(self, key: StateKey) -> memoryview | None:
        found = super().get(key)
        return None if found is None else found[:-1] if len(found) > 1 else found


class Shares(Plain):
    """Takes all tenants for one."""

    def put(self, key: StateKey, state: memoryview) -> bool:
        return super().put(StateKey(scope=b"", tokens=key.tokens, start=key.start, kind=key.kind), state)

    def get(self, key: StateKey) -> memoryview | None:
        return super().get(StateKey(scope=b"", tokens=key.tokens, start=key.start, kind=key.kind))

    def drop(self, key: StateKey) -> None:
        super().drop(StateKey(scope=b"", tokens=key.tokens, start=key.start, kind=key.kind))


class Remembers(Plain):
    """Outlives its process, whatever layout comes next."""

    kept: ClassVar[dict[str, dict[StateKey, bytes]]] = {}

    def __init__(self, model: str) -> None:
        super().__init__(model)
        self.states = self.kept.setdefault(model, {})

    def open(self, layout: str) -> Iterable[StateKey]:
        return list(self.states)

    def close(self) -> None:
        """Everything stays."""


class Grudging(Plain):
    """Keeps but one."""

    def put(self, key: StateKey, state: memoryview) -> bool:
        self.states.clear()
        return super().put(key, state)


class Chatty(Plain):
    """Takes what it was given for something new."""

    def refresh(self) -> Iterable[StateKey]:
        return list(self.states)


class Wordy(Plain):
    """Has a reason of its own for each file."""

    def usage(self) -> StoreUsage:
        return StoreUsage(entries=0, used_bytes=0, limit_bytes=LIMIT, troubles={"/var/lib/kv/1.kv": 1})


def _check(kit: KVStoreKit, store: KVStore, model: str, name: str) -> None:
    test: Callable[..., None] = getattr(kit, name)
    code = test.__code__.co_varnames[: test.__code__.co_argcount]
    test(**{word: value for word, value in (("store", store), ("model", model)) if word in code})


@pytest.mark.parametrize(
    ("wrong", "caught_by"),
    [
        (Forgets, "test_a_state_comes_back"),
        (Boundless, "test_what_is_too_large_is_refused"),
        (Boundless, "test_the_bound_is_kept"),
        (Boundless, "test_the_bound_holds_for_many_small_states"),
        (Borrows, "test_it_keeps_a_copy"),
        (Reuses, "test_a_view_that_was_given_back_stays_as_it_is"),
        (Newest, "test_what_is_used_stays"),
        (Trims, "test_a_state_comes_back"),
        (Shares, "test_similar_keys_never_mix"),
        (Remembers, "test_another_layout_finds_nothing"),
        (Grudging, "test_the_bound_is_kept"),
        (Chatty, "test_what_was_put_here_does_not_come_by_itself"),
        (Wordy, "test_troubles_can_be_labels"),
        (Boundless, "test_any_history_gives_what_was_put_or_nothing"),
        (Shares, "test_any_history_gives_what_was_put_or_nothing"),
        (Reuses, "test_any_history_gives_what_was_put_or_nothing"),
        (Remembers, "test_any_history_gives_what_was_put_or_nothing"),
    ],
)
def test_wrong_stores_are_caught(wrong: type[Plain], caught_by: str, unshrunk: Callable[[type], None]) -> None:
    """Each by the test that is about it."""

    class Kit(KVStoreKit):
        def factory(self) -> KVStoreFactory:
            return wrong

    unshrunk(Kit)
    with pytest.raises(AssertionError):
        _check(Kit(), wrong("wrong"), f"wrong {caught_by}", caught_by)
