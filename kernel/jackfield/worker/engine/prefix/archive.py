"""All saved states: in the tree, in stores, and in the engine's own memory; bounded in number and bytes."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from jackfield.ports.kv_store import StateKey
from jackfield.worker.engine.prefix.states import CHECKPOINT, State

if TYPE_CHECKING:
    from jackfield.worker.engine.prefix.tiers import Tiers
    from jackfield.worker.engine.prefix.tree import Node, PrefixTree

KEYS_MAX: Final = 64 * 1024 * 1024
"""Bytes that keys may take, with all that is remembered of each: of what is beyond, the least recently used go."""

KEY_BYTES: Final = 2048
"""What a key takes besides its tokens: state, node, maybe a scope of its own. Estimated, rounded up."""

CHECKPOINTS_MAX: Final = 256
CHECKPOINT_BYTES_MAX: Final = 256 * 1024 * 1024
"""Checkpoints in the engine's own memory; the least recently used make way."""


class Archive:
    """Knows every state, and gets rid of those used least. Engine loop thread.

    Parameters:
        tree: Knows what they cover.
        tiers: Have them.
    """

    def __init__(self, tree: PrefixTree, tiers: Tiers) -> None:
        self._tree = tree
        self._tiers = tiers
        self._states: OrderedDict[State, None] = OrderedDict()
        self._key_bytes = 0
        self._checkpoints: OrderedDict[State, None] = OrderedDict()
        self._checkpoint_bytes = 0
        tiers.lost = self._gone
        tiers.learnt = self.known

    def known(self, index: int, key: StateKey) -> None:
        """The tier with that *index* has a state from an earlier life; of several, the least recently used first."""
        node = self._tree.grow(self._tree.root(key.scope), key.tokens, key.end)
        there = node.states if key.kind != CHECKPOINT else filter(None, [node.checkpoint])
        state = next((each for each in there if each.key == key), None)
        if state is not None:
            state.tiers[index] = 0
            return
        state = State(key)
        state.tiers[index] = 0
        self._add(state, node)

    def keep(self, node: Node, start: int, end: int, data: memoryview, *, quick: bool) -> bool:
        """Put the state of *start* to *end*, which ends within *node*, into the stores; whether any has it.

        Into *quick* ones too, if it leaves the device.
        """
        tokens = node.key()[: 4 * end]
        state = State(StateKey(scope=node.root.scope, tokens=tokens, start=start), len(data))
        if not self._tiers.keep(state, data, quick=quick):
            return False
        self._add(state, node)
        return True

    def keep_checkpoint(self, node: Node, data: memoryview) -> None:
        """Remember what takes continuations of *node* back to its end."""
        state = State(StateKey(scope=node.root.scope, tokens=node.key(), start=0, kind=CHECKPOINT), len(data))
        state.data = data
        self._add(state, node)
        self._checkpoints[state] = None
        self._checkpoint_bytes += len(data)
        while len(self._checkpoints) > CHECKPOINTS_MAX or self._checkpoint_bytes > CHECKPOINT_BYTES_MAX:
            self._let_go(next(iter(self._checkpoints)))

    def store_checkpoints(self, node: Node, *, quick: bool) -> None:
        """Put the checkpoints on the way to *node* into the stores too, into *quick* ones if it leaves the device."""
        for each in node.path():
            state = each.checkpoint
            if state is not None and state.data is not None:
                self._tiers.keep(state, state.data, quick=quick)

    def get(self, state: State) -> memoryview | None:
        """*state*, if it can be had at once; it is forgotten if no store has it any more."""
        data = self._tiers.at_hand(state)
        if data is None:
            if not state.tiers:
                self.lose(state)
            return None
        self._states.move_to_end(state)
        if state in self._checkpoints:
            self._checkpoints.move_to_end(state)
        return data

    def let_go(self, state: State) -> None:
        """A sequence has *state*, which a slow store has given back, or does not wait for it any more."""
        state.awaited -= 1
        if state.awaited or state in self._checkpoints or state not in self._states:
            return
        state.data = None
        if state.tiers:
            self._tree.changed(state.node)
        else:  # the store has lost it since
            self.lose(state)

    def restored(self, state: State) -> None:
        """All of *state* comes to the device again: quick stores that are full use its room for something else."""
        self._tiers.make_way(state)
        if not state.tiers:
            self.lose(state)

    def faded(self, node: Node) -> None:
        """What only the holder of *node* holds was used on the device alone: quick stores may have dropped it since."""
        states = {state for each in node.path() if each.held == 1 for state in each.states}
        for state in states:
            self._tiers.faded(state)
            if not state.tiers and state.data is None:
                self.lose(state)

    def lose(self, state: State) -> None:
        """*state* is of no use: forget it everywhere."""
        if state not in self._states:
            return
        del self._states[state]
        self._key_bytes -= _remembered(state)
        if state in self._checkpoints:
            del self._checkpoints[state]
            self._checkpoint_bytes -= state.nbytes
        self._tiers.forget(state)
        self._tree.uncover(state)

    def clear(self) -> int:
        """Forget all; return how many there were."""
        count = len(self._states)
        for state in list(self._states):
            self.lose(state)
        self._tiers.clear()
        return count

    def check_integrity(self) -> None:
        """Raise ``AssertionError`` unless tree and archive agree."""
        found = {
            state
            for root in self._tree.roots.values()
            for node in root.below()
            for state in [*node.states, *([node.checkpoint] if node.checkpoint is not None else ())]
        }
        if found != self._states.keys():
            raise AssertionError("saved states and the tree do not agree")
        if any(not state.tiers and state.data is None for state in self._states):
            raise AssertionError("a state that nobody has")
        if self._key_bytes != sum(map(_remembered, self._states)):
            raise AssertionError("bytes of keys do not add up")
        if self._checkpoint_bytes != sum(state.nbytes for state in self._checkpoints):
            raise AssertionError("bytes of checkpoints do not add up")
        for state in self._states:
            if not state.node.start < state.end <= state.node.end:
                raise AssertionError("a state is not where it ends")

    def _add(self, state: State, node: Node) -> None:
        self._states[state] = None
        self._key_bytes += _remembered(state)
        self._tree.cover(node, state)
        while self._key_bytes > KEYS_MAX and len(self._states) > 1:
            self.lose(next(iter(self._states)))

    def _gone(self, state: State) -> None:
        """A slow store does not have *state*; maybe another has."""
        if not state.tiers and state.data is None:
            self.lose(state)

    def _let_go(self, state: State) -> None:
        """The engine's own copy of a checkpoint makes way."""
        if not state.tiers:
            self.lose(state)
            return
        del self._checkpoints[state]
        self._checkpoint_bytes -= state.nbytes
        state.data = None


def _remembered(state: State) -> int:
    """Bytes that knowing of *state* takes."""
    return len(state.key.tokens) + KEY_BYTES
