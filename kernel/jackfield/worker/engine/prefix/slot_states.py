"""What slots have computed, taken off the device and put back on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from jackfield.errors import BackendFault, InvalidRequest, KVExhausted, Overloaded
from jackfield.worker.engine.prefix.tokens import TOKEN_BYTES, common, packed, unpacked
from jackfield.worker.engine.slots import Computed

if TYPE_CHECKING:
    from jackfield.ports.reuse import ReusableRunner
    from jackfield.worker.engine.prefix.cache import PrefixCache
    from jackfield.worker.engine.prefix.tree import Node
    from jackfield.worker.engine.slots import SlotBoard


class SlotState(NamedTuple):
    """Some of what a slot has computed."""

    tokens: bytes
    """Packed, from position 0 on."""
    data: memoryview
    """In memory of its own."""


class Gone(NamedTuple):
    """What a slot has computed, and is not on the device any more."""

    tokens: list[int]


class SlotStates:
    """Takes and puts. Whoever asks only reaches what its own scope has. Engine loop thread.

    Parameters:
        runner: Has the states.
        cache: Knows whose they are.
        slots: Know who ran where.
    """

    def __init__(self, runner: ReusableRunner, cache: PrefixCache, slots: SlotBoard) -> None:
        self._runner = runner
        self._cache = cache
        self._slots = slots

    def take(self, slot: int, scope: bytes) -> SlotState | Gone:
        """What *slot* computes, or has computed last; only its tokens where not all of it is still on the device.

        Raises:
            InvalidRequest: There is no such slot, it has computed nothing, or what it has is not the caller's.
            BackendFault: The runner failed.
        """
        computed = self._slots.computed(slot)
        if computed is None or computed.scope != scope or not computed.length:
            raise InvalidRequest(f"slot {slot} has computed nothing of yours", param="id_slot")
        tokens = computed.tokens[: computed.length]
        key = packed(tokens)
        if computed.holder is not None:
            return SlotState(key, self._runner.save(computed.holder, 0, computed.length))
        found = self._longest(scope, key)
        if found is None or found[1] < computed.length:
            return Gone(tokens)
        return SlotState(key, self._runner.save(found[0], 0, computed.length))

    def put(self, slot: int, scope: bytes, state: SlotState) -> None:
        """Let the next request with these tokens find *state*, wherever it runs, and *slot* have it.

        Raises:
            InvalidRequest: There is no such slot, or the state does not fit this model.
            Overloaded: All slots, or all cells, are in use.
        """
        computed = self._slots.computed(slot)
        cache, holders = self._cache, self._cache.holders
        length = len(state.tokens) // TOKEN_BYTES
        holder = holders.take()
        if holder is None:
            raise Overloaded("all slots are in use; try again")
        leaf = holders.cells.begin(holder)
        try:
            if not holders.make_room(length):
                raise Overloaded("what runs leaves no room for the saved tokens; try again")
            self._runner.restore(holder, state.data, length)
        except (BackendFault, KVExhausted) as error:
            holders.give_back(holder)
            raise InvalidRequest("the saved slot does not fit this model", param="filename") from error
        except Overloaded:
            holders.give_back(holder)
            raise
        holders.cells.grow(leaf, length)
        node = cache.tree.grow(cache.tree.root(scope), state.tokens, length)
        cache.tree.hold(node, holder)
        holders.settle(holder, node)
        if computed is None or computed.holder is None:
            self._slots.put(slot, Computed(scope, unpacked(state.tokens), length))

    def erase(self, slot: int, scope: bytes) -> int:
        """Forget what *slot* has computed last, in stores too; how many tokens that were, 0 where none is the caller's.

        Raises:
            InvalidRequest: There is no such slot, or it is running.
        """
        computed = self._slots.computed(slot)
        if computed is None or computed.scope != scope or not computed.length:
            return 0
        if computed.holder is not None:
            raise InvalidRequest(f"slot {slot} is computing; cancel its request first", param="id_slot")
        key = packed(computed.tokens[: computed.length])
        self._slots.forget(slot)
        match = self._cache.tree.match(scope, key, computed.length)
        found = self._longest(scope, key)
        if found is not None:
            self._cache.saver.discard(self._cache.holders.residents[found[0]].node)
            self._cache.holders.evict(found[0], lost=True)
        stored = self._lose(match.path)
        return max(found[1] if found is not None else 0, match.length if stored else 0)

    def _lose(self, path: list[Node]) -> bool:
        """Forget what is stored of the nodes of *path* that nobody holds; whether there was anything."""
        lost = False
        for node in reversed(path):
            if node.held:
                break
            for state in [*node.states, *([node.checkpoint] if node.checkpoint is not None else [])]:
                self._cache.archive.lose(state)
                lost = True
        return lost

    def _longest(self, scope: bytes, key: bytes) -> tuple[int, int] | None:
        """The resident that has most of *key*, and how much it has: all that it holds, where it cannot be parted."""
        best, most = None, 0
        for holder, resident in self._cache.holders.residents.items():
            node = resident.node
            length = common(node.key(), key) if node.root.scope == scope else 0
            if length > most and (self._cache.holders.shares or length == node.end):
                best, most = holder, length
        return None if best is None else (best, most)
