"""The prefix tree and the ledger of cells against models that are too simple to be wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from jackfield.ports.kv_store import StateKey
from jackfield.worker.engine.prefix.cells import CellLedger
from jackfield.worker.engine.prefix.states import State
from jackfield.worker.engine.prefix.tokens import common, packed
from jackfield.worker.engine.prefix.tree import PrefixTree

if TYPE_CHECKING:
    from jackfield.worker.engine.prefix.tree import Node

SCOPE = bytes(32)
texts = st.lists(st.integers(0, 2), min_size=1, max_size=12)


@given(st.lists(st.integers(0, 2**31 - 1)), st.lists(st.integers(0, 2**31 - 1)), st.integers(0, 5))
def test_tokens_are_as_stores_have_them(left: list[int], right: list[int], offset: int) -> None:
    """Little-endian, four bytes each; and what is common is the longest."""
    assert packed(left) == b"".join(token.to_bytes(4, "little") for token in left)
    shared = 0
    while shared < min(len(left), len(right) - offset) and left[shared] == right[offset + shared]:
        shared += 1
    assert common(packed(left), packed(right), offset) == shared


@given(st.lists(st.integers(0, 1), min_size=1, max_size=40), st.integers(0, 40), st.integers(1, 9))
def test_a_long_beginning_is_found(tokens: list[int], same: int, other: int) -> None:
    """Wherever it ends."""
    changed = [*tokens[:same], *[token + other for token in tokens[same:]]]
    assert common(packed(tokens), packed(changed)) == min(same, len(tokens))


class Tree(RuleBasedStateMachine):
    """Holders come, grow and go; states are saved and lost; what is known is what was put in."""

    holders = Bundle("holders")
    states = Bundle("states")

    @initialize(bare_max=st.sampled_from([1, 3, 1000]))
    def begin(self, bare_max: int) -> None:
        """An empty tree."""
        self.tree = PrefixTree(bare_max)
        self.bare_max = bare_max
        self.held: dict[int, tuple[list[int], Node]] = {}
        self.saved: dict[State, list[int]] = {}
        self.numbers = iter(range(10_000))

    @rule(target=holders, tokens=texts)
    def hold(self, tokens: list[int]) -> int:
        """Somebody computed these."""
        node = self.tree.grow(self.tree.root(SCOPE), packed(tokens), len(tokens))
        holder = next(self.numbers)
        self.tree.hold(node, holder)
        self.held[holder] = tokens, node
        return holder

    @rule(holder=holders, more=texts)
    def advance(self, holder: int, more: list[int]) -> None:
        """And goes on."""
        if holder not in self.held:
            return
        tokens, node = self.held[holder]
        longer = [*tokens, *more]
        self.held[holder] = longer, self.tree.advance(node, holder, packed(longer), len(longer))

    @rule(holder=consumes(holders))
    def release(self, holder: int) -> None:
        """And is gone."""
        _, node = self.held.pop(holder)
        self.tree.release(node, holder)

    @rule(target=states, tokens=texts, data=st.data())
    def save(self, tokens: list[int], data: st.DataObject) -> State:
        """A state of a part of it."""
        start = data.draw(st.integers(0, len(tokens) - 1))
        node = self.tree.grow(self.tree.root(SCOPE), packed(tokens), len(tokens))
        state = State(StateKey(scope=SCOPE, tokens=packed(tokens), start=start))
        self.tree.cover(node, state)
        self.saved[state] = tokens
        return state

    @rule(state=consumes(states))
    def lose(self, state: State) -> None:
        """And it is lost."""
        del self.saved[state]
        self.tree.uncover(state)

    @rule(tokens=texts)
    def look(self, tokens: list[int]) -> None:
        """What is kept is found, as far as it goes, on the path of its tokens."""
        match = self.tree.match(SCOPE, packed(tokens), len(tokens))
        kept = [each for each, _ in self.held.values()] + list(self.saved.values())
        longest = max([common(packed(tokens), packed(each)) for each in kept], default=0)
        assert match.length >= longest
        on_device = max([common(packed(tokens), packed(each)) for each, _ in self.held.values()], default=0)
        assert max([min(node.end, match.length) for node in match.path if node.held], default=0) == on_device
        for node in match.path:
            for state in node.states:
                shared = common(packed(tokens), packed(self.saved[state]))
                assert state.start < node.end
                assert shared >= min(node.end, state.end, match.length)
            if node.held:
                holder = node.holder()
                assert packed(self.held[holder][0][: node.end]) == node.key()

    @invariant()
    def everything_fits(self) -> None:
        """Nodes, holders and states."""
        if not hasattr(self, "tree"):
            return
        self.tree.check_integrity()
        for tokens, node in self.held.values():
            assert node.key() == packed(tokens)
        for state in self.saved:
            assert state.node.start < state.end <= state.node.end
            assert state in state.node.states
        self.tree.prune()
        bare = [node for root in self.tree.roots.values() for node in root.below() if node.bare]
        assert len(bare) <= self.bare_max


Tree.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestTree = Tree.TestCase


class Ledger(RuleBasedStateMachine):
    """Ids run, copy, rest and go; each cell of the model is an object of its own."""

    running = Bundle("running")

    @initialize(shared=st.booleans())
    def begin(self, shared: bool) -> None:  # noqa: FBT001 - drawn
        """No cells."""
        self.shared = shared
        self.ledger = CellLedger(shared=shared)
        self.cells: dict[int, list[object]] = {}
        self.busy: set[int] = set()
        self.numbers = iter(range(10_000))

    @rule()
    def start(self) -> None:
        """A new sequence."""
        holder = next(self.numbers)
        self.ledger.begin(holder)
        self.cells[holder] = []
        self.busy.add(holder)

    @rule(data=st.data(), count=st.integers(1, 9))
    def grow(self, data: st.DataObject, count: int) -> None:
        """It computes."""
        holder = self._any(data, self.busy)
        if holder is not None:
            self.ledger.grow(self.ledger.leaves[holder], count)
            self.cells[holder] += [object() for _ in range(count)]

    @rule(data=st.data())
    def copy(self, data: st.DataObject) -> None:
        """Another begins like it."""
        source = self._any(data, {holder for holder, cells in self.cells.items() if cells})
        if source is None:
            return
        length = data.draw(st.integers(1, len(self.cells[source])))
        idle = set(self.cells[source][:length]) - {cell for holder in self.busy for cell in self.cells[holder]}
        assert self.ledger.idle(source, length) == len(idle)
        holder = next(self.numbers)
        self.ledger.copy(source, holder, length)
        copied = self.cells[source][:length]
        self.cells[holder] = copied if self.shared else [object() for _ in copied]
        self.busy.add(holder)

    @rule(data=st.data())
    def rest(self, data: st.DataObject) -> None:
        """It ends, and its cells stay."""
        holder = self._any(data, self.busy)
        if holder is not None:
            self.ledger.rest(holder)
            self.busy.remove(holder)

    @rule(data=st.data())
    def wake(self, data: st.DataObject) -> None:
        """Its cells are taken over, or a part of them."""
        holder = self._any(data, self.cells.keys() - self.busy)
        if holder is not None:
            length = data.draw(st.integers(0, len(self.cells[holder])))
            self.ledger.cut(holder, length)
            self.ledger.wake(holder)
            self.cells[holder] = self.cells[holder][:length]
            self.busy.add(holder)

    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        """Its cells go."""
        holder = self._any(data, self.cells.keys() - self.busy)
        if holder is not None:
            others = {cell for other, cells in self.cells.items() if other != holder for cell in cells}
            assert self.ledger.frees(holder) == len(set(self.cells[holder]) - others)
            self.ledger.drop(holder)
            del self.cells[holder]

    @invariant()
    def sums_are_right(self) -> None:
        """Cells that several hold count once."""
        if not hasattr(self, "ledger"):
            return
        self.ledger.check_integrity()
        assert self.ledger.used == len({cell for cells in self.cells.values() for cell in cells})
        assert self.ledger.busy == len({cell for holder in self.busy for cell in self.cells[holder]})
        for holder, cells in self.cells.items():
            assert self.ledger.length(holder) == len(cells)
            others = {cell for other, held in self.cells.items() if other != holder for cell in held}
            assert self.ledger.is_shared(holder) == bool(others.intersection(cells))
        for holder in self.busy:
            others = {cell for other in self.busy - {holder} for cell in self.cells[other]}
            assert self.ledger.leaves[holder].own() == len(set(self.cells[holder]) - others)

    @staticmethod
    def _any(data: st.DataObject, holders: set[int]) -> int | None:
        return data.draw(st.sampled_from(sorted(holders))) if holders else None


Ledger.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestLedger = Ledger.TestCase
