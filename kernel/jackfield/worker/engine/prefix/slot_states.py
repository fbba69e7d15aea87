"""What slots have computed, taken off the device and put back on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from jackfield.errors import BackendFault, InvalidRequest, KVExhausted, Overloaded
from jackfield.worker.engine.prefix.tokens import TOKEN_BYTES, common, packed, unpacked
from jackfield.worker.engine.slots import Computed

if TYPE_CHECKING:
    from jackfield.ports.reuse import ReusableRunner
    from jackfield.worker.engine.prefix.cache import PrefixCache
    from jackfield.worker.engine.slots import SlotBoard


class SlotState(NamedTuple):
    """Some of what a slot has computed."""

    tokens: bytes
    """Packed, from position 0 on."""
    data: memoryview
    """In memory of its own."""


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

    def take(self, slot: int, scope: bytes) -> SlotState:
        """What *slot* computes, or has computed last, as far as it is still on the device.

        Raises:
            InvalidRequest: There is no such slot, nothing of it is, or it is not the caller's.
            BackendFault: The runner failed.
        """
        computed = self._of(slot, scope)
        key = packed(computed.tokens[: computed.length])
        if computed.holder is not None:
            return SlotState(key, self._runner.save(computed.holder, 0, computed.length))
        found = self._longest(scope, key)
        if found is None:
            raise _nothing(slot)
        holder, length = found
        return SlotState(key[: length * TOKEN_BYTES], self._runner.save(holder, 0, length))

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
        found = self._longest(scope, packed(computed.tokens[: computed.length]))
        self._slots.forget(slot)
        if found is None:
            return 0
        holder, length = found
        path = list(self._cache.holders.residents[holder].node.path())
        self._cache.saver.discard(path[0])
        self._cache.holders.evict(holder, lost=True)
        for node in path:
            if node.held:
                break
            for state in [*node.states, *([node.checkpoint] if node.checkpoint is not None else [])]:
                self._cache.archive.lose(state)
        return length

    def _of(self, slot: int, scope: bytes) -> Computed:
        computed = self._slots.computed(slot)
        if computed is None or computed.scope != scope or not computed.length:
            raise _nothing(slot)
        return computed

    def _longest(self, scope: bytes, key: bytes) -> tuple[int, int] | None:
        """The resident that has most of *key*, and how much it has: all that it holds, where it cannot be parted."""
        best, most = None, 0
        for holder, resident in self._cache.holders.residents.items():
            node = resident.node
            length = common(node.key(), key) if node.root.scope == scope else 0
            if length > most and (self._cache.holders.shares or length == node.end):
                best, most = holder, length
        return None if best is None else (best, most)


def _nothing(slot: int) -> InvalidRequest:
    return InvalidRequest(f"nothing is left of what you have computed in slot {slot}", param="id_slot")
