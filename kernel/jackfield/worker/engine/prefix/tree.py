"""The prefix tree: a radix tree over token ids, one root per scope.

A node knows who holds it on the device (sequence ids, each anchored where what it holds ends), and which saved states
cover a part of it. What nobody holds any more stays known for a while: it tells where prompts part, and what was
computed twice.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from jackfield.worker.engine.prefix.tokens import TOKEN_BYTES, common

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jackfield.worker.engine.prefix.states import State


class Node:
    """Tokens from position ``start`` to ``end`` of all prefixes that go through it."""

    __slots__ = ("checkpoint", "children", "edge", "end", "held", "holders", "parent", "root", "start", "states")

    def __init__(self, parent: Node | None, edge: bytes, root: Root | None = None) -> None:
        self.parent = parent
        self.edge = edge
        self.start: int = parent.end if parent is not None else 0
        self.end: int = self.start + len(edge) // TOKEN_BYTES
        self.root: Root = root if root is not None else parent.root  # type: ignore[union-attr]  # one of both is given
        self.children: dict[bytes, Node] = {}
        self.holders: set[int] = set()
        """Sequence ids that hold everything up to ``end``, and nothing after it that the tree knows."""
        self.held = 0
        """Holders of this node and of all below."""
        self.states: dict[State, None] = {}
        """Saved states that cover some of its positions, oldest first."""
        self.checkpoint: State | None = None
        """What a continuation can go back to ``end`` with."""

    @property
    def bare(self) -> bool:
        """Whether nothing would be lost with it but the knowledge that it was there."""
        return not (self.children or self.held or self.states or self.checkpoint) and self.parent is not None

    def path(self) -> Iterator[Node]:
        """This node and all above it but the root."""
        node = self
        while node.parent is not None:
            yield node
            node = node.parent

    def below(self) -> Iterator[Node]:
        """This node and all below it."""
        stack: list[Node] = [self]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(node.children.values())

    def holder(self) -> int:
        """Any sequence id that holds it; there must be one."""
        node = self
        while not node.holders:
            node = next(child for child in node.children.values() if child.held)
        return next(iter(node.holders))

    def key(self) -> bytes:
        """All tokens up to ``end``."""
        return b"".join([node.edge for node in self.path()][::-1])


class Root(Node):
    """Where a scope's prefixes begin."""

    __slots__ = ("scope", "version")

    def __init__(self, scope: bytes) -> None:
        self.scope = scope
        self.version = 0
        """Another number after every change in the scope; never the same twice in a tree."""
        super().__init__(None, b"", self)


class Match(NamedTuple):
    """How far a prompt is known."""

    path: list[Node]
    """Nodes from the root's child on; of the last one maybe only the beginning."""
    length: int
    """Tokens."""


class PrefixTree:
    """All scopes' trees. Engine loop thread.

    Parameters:
        bare_max: Most nodes that are kept for knowledge alone, those last touched.
    """

    def __init__(self, bare_max: int) -> None:
        self.roots: dict[bytes, Root] = {}
        self._versions = count(1)
        self._bare: OrderedDict[Node, None] = OrderedDict()
        self._bare_max = bare_max

    def version(self, scope: bytes) -> int:
        """Changes whenever what ``match`` says of *scope* may change; 0 while nothing is known."""
        root = self.roots.get(scope)
        return root.version if root is not None else 0

    def match(self, scope: bytes, key: bytes, limit: int) -> Match:
        """How much of the first *limit* tokens of *key* is known."""
        path: list[Node] = []
        node: Node | None = self.roots.get(scope)
        length = 0
        while node is not None and length < limit:
            node = node.children.get(key[length * TOKEN_BYTES : (length + 1) * TOKEN_BYTES])
            if node is None:
                break
            path.append(node)
            same = common(node.edge, key, length)
            length += same
            if length != node.end:
                break
        return Match(path, min(length, limit))

    def grow(self, start: Node, key: bytes, end: int) -> Node:
        """The node that ends at *end* on the path of *key*, made where there is none.

        Parameters:
            start: A node on that path, or the root, that ends at *end* or before.
            key: Packed tokens, at least *end* of them.
            end: In tokens.
        """
        node = start
        while node.end < end:
            child = node.children.get(key[node.end * TOKEN_BYTES : (node.end + 1) * TOKEN_BYTES])
            if child is None:
                return self._add(node, key[node.end * TOKEN_BYTES : end * TOKEN_BYTES])
            same = common(child.edge, key[: end * TOKEN_BYTES], node.end)
            node = child if node.end + same == child.end else self.split(child, node.end + same)
        return node

    def root(self, scope: bytes) -> Root:
        """The root of *scope*, made where there is none."""
        root = self.roots.get(scope)
        if root is None:
            root = self.roots[scope] = Root(scope)
            self._touch(root)
        return root

    def advance(self, node: Node, holder: int, key: bytes, end: int) -> Node:
        """*holder*, anchored at *node*, now holds *key* up to *end*; return where it is anchored then."""
        alone = node.holders == {holder} and not node.children and node.checkpoint is None
        if alone and node.parent is not None:
            node.edge += key[node.end * TOKEN_BYTES : end * TOKEN_BYTES]
            node.end = end
            self._touch(node)
            return node
        target = self.grow(node, key, end)
        self.hold(target, holder)
        self.release(node, holder)
        return target

    def hold(self, node: Node, holder: int) -> None:
        """*holder* is anchored at *node*."""
        node.holders.add(holder)
        for each in node.path():
            each.held += 1
        node.root.held += 1
        self._touch(node)

    def release(self, node: Node, holder: int) -> None:
        """*holder* is not anchored at *node* any more."""
        node.holders.remove(holder)
        root = node.root
        for each in node.path():
            each.held -= 1
        root.held -= 1
        self._touch(node)
        self._tidy(root)

    def cover(self, node: Node, state: State) -> None:
        """*state* is saved; it ends within *node*."""
        state.node = node
        if state.is_checkpoint:
            node.checkpoint = state
        else:
            for each in node.path():
                if each.end <= state.start:
                    break
                each.states[state] = None
        self._touch(node)

    def uncover(self, state: State) -> None:
        """*state* is lost."""
        node = state.node
        if state.is_checkpoint:
            node.checkpoint = None
        else:
            for each in node.path():
                each.states.pop(state, None)
        for each in list(node.path()):
            self._touch(each)

    def split(self, node: Node, at: int) -> Node:
        """Part *node* at position *at*: it keeps what comes after, a new node gets what comes before; return that."""
        parent = node.parent
        assert parent is not None, "the root has no tokens"  # noqa: S101 - for the type checker
        cut = (at - node.start) * TOKEN_BYTES
        upper = Node(parent, node.edge[:cut])
        parent.children[upper.edge[:TOKEN_BYTES]] = upper
        node.edge, node.start, node.parent = node.edge[cut:], at, upper
        upper.children[node.edge[:TOKEN_BYTES]] = node
        upper.held = node.held
        for state in list(node.states):
            if state.start < at:
                upper.states[state] = None
            if state.end <= at:
                del node.states[state]
                state.node = upper
        self._touch(upper)
        self._touch(node)
        return upper

    def changed(self, node: Node) -> None:
        """Something has happened that ``version`` is to tell of."""
        self._touch(node)

    def prune(self) -> None:
        """Forget what is kept for knowledge alone and was touched longest ago, where there is too much of it."""
        self._shorten(self._bare_max)

    def forget_bare(self) -> None:
        """Forget all that is kept for knowledge alone."""
        self._shorten(0)

    def check_integrity(self) -> None:
        """Raise ``AssertionError`` unless every node fits its place."""
        for root in self.roots.values():
            for node in root.below():
                if node.held != len(node.holders) + sum(child.held for child in node.children.values()):
                    raise AssertionError("holders of a prefix do not add up")
                if node.bare != (node in self._bare):
                    raise AssertionError("a bare prefix is not known as one")
                for first, child in node.children.items():
                    whole = child.start == node.end == child.end - len(child.edge) // TOKEN_BYTES
                    if not whole or child.parent is not node or child.edge[:TOKEN_BYTES] != first:
                        raise AssertionError("a prefix is in the wrong place")
                if any(state.start >= node.end or state.end <= node.start for state in node.states):
                    raise AssertionError("a state covers what it does not hold")

    def _add(self, parent: Node, edge: bytes) -> Node:
        node = Node(parent, edge)
        parent.children[edge[:TOKEN_BYTES]] = node
        self._touch(parent)
        self._touch(node)
        return node

    def _touch(self, node: Node) -> None:
        """*node* has changed: see whether anything keeps it."""
        node.root.version = next(self._versions)
        if node.bare:
            self._bare[node] = None
            self._bare.move_to_end(node)
        else:
            self._bare.pop(node, None)

    def _shorten(self, most: int) -> None:
        while len(self._bare) > most:
            self._remove(next(iter(self._bare)))

    def _remove(self, node: Node) -> None:
        del self._bare[node]
        parent = node.parent
        assert parent is not None, "a root is never bare"  # noqa: S101 - for the type checker
        del parent.children[node.edge[:TOKEN_BYTES]]
        if parent.parent is not None:
            self._touch(parent)
        else:
            parent.root.version = next(self._versions)
            self._tidy(parent.root)

    def _tidy(self, root: Root) -> None:
        """Forget a scope that nothing is known of any more."""
        if not root.children and not root.held and self.roots.get(root.scope) is root:
            del self.roots[root.scope]
