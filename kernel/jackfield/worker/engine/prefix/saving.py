"""Saving prefixes to the stores, a little after every step.

Slow stores are written as soon as a sequence has ended, since they are to survive. Quick ones are there to make the
device larger: what is on the device needs no room in them, so they are given what leaves it.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from jackfield.errors import BackendFault
from jackfield.worker.engine.prefix.states import State
from jackfield.worker.engine.prefix.tree import Node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jackfield.ports.reuse import ReusableRunner
    from jackfield.worker.engine.prefix.archive import Archive
    from jackfield.worker.engine.prefix.costs import StateCosts
    from jackfield.worker.engine.prefix.counters import CacheCounters
    from jackfield.worker.engine.prefix.holders import Holders
    from jackfield.worker.engine.prefix.tiers import Tiers

log = structlog.get_logger("jackfield.engine")

STEP_BYTES: Final = 16 * 1024 * 1024
"""Saved between two steps of what could stay, at most. One state at least."""

STEP_S: Final = 0.005
"""How long what is not leaving yet may be saved between two steps, in seconds; one state at least. Answers wait."""

PIECE_BYTES: Final = 4 * 1024 * 1024
"""Size of one state where positions can be saved apart."""

FIRST_PIECE: Final = 64
"""Tokens of the first state, whose size tells that of all others."""

QUEUE_MAX: Final = 1024
"""Prefixes that may wait to be saved; those that wait longest are not saved then."""


class _Piece(NamedTuple):
    """Positions *start* to *end* of *node*, to be saved from *holder*: anew, or as the *state* that they have been."""

    node: Node
    holder: int
    start: int
    end: int
    state: State | None = None


class Saver:
    """Saves what ended sequences leave. Engine loop thread.

    Parameters:
        runner: Gives the states.
        holders: Know who holds what.
        tiers: Take them.
        archive: Remembers them.
        costs: Are told how large states are.
        counters: Of the cache.
    """

    def __init__(
        self,
        runner: ReusableRunner,
        holders: Holders,
        tiers: Tiers,
        archive: Archive,
        costs: StateCosts,
        counters: CacheCounters,
    ) -> None:
        self._runner = runner
        self._holders = holders
        self._tiers = tiers
        self._archive = archive
        self._costs = costs
        self._counters = counters
        self._queue: OrderedDict[Node, bool] = OrderedDict()
        self._left = STEP_BYTES

    @property
    def busy(self) -> bool:
        """Whether anything waits to be saved."""
        return bool(self._queue)

    @property
    def spent(self) -> bool:
        """Whether as much was saved since the last step as one step may: what need not leave now can wait."""
        return self._left <= 0

    def add(self, node: Node) -> None:
        """A sequence has left a prefix that ends at *node*: slow stores are given it soon."""
        if self._tiers.slow:
            self._queue[node] = False
            self._queue.move_to_end(node)
            if len(self._queue) > QUEUE_MAX:
                self._queue.popitem(last=False)

    def ahead(self, node: Node) -> None:
        """What only the holder of *node* holds leaves the device soon: save it before all else, where there is room."""
        if self._tiers.roomy:
            self._queue[node] = True
            self._queue.move_to_end(node, last=False)

    def discard(self, node: Node) -> None:
        """Do not save the prefix that ends at *node*, not for itself."""
        self._queue.pop(node, None)

    def leaving(self, node: Node, start: int, stays: Node | None) -> None:
        """Some of what the holder of *node* holds leaves the device: save it.

        All of it: it makes room for as many tokens, and to restore or compute those takes longer.

        Parameters:
            node: Where the holder ends.
            start: Position from which on nobody else holds it.
            stays: Where what stays of it ends, if anything does.
        """
        waits = self._queue.pop(node, None)
        if waits is not None and stays is not None:
            self._queue[stays] = waits
        if self._tiers.any:
            self._save(node, leaves=True, start=start)

    def work(self) -> None:
        """Save as much as one step may."""
        self._left = STEP_BYTES
        until = time.perf_counter() + STEP_S
        while self._queue and self._left > 0:
            node, leaves = next(iter(self._queue.items()))
            if self._save(node, leaves=leaves, room=self._left, until=until):
                self._queue.pop(node, None)
            if time.perf_counter() >= until:
                return

    def clear(self) -> None:
        """Save nothing of what waits."""
        self._queue.clear()

    def _save(
        self, node: Node, *, leaves: bool, start: int = 0, room: float = math.inf, until: float = math.inf
    ) -> bool:
        """Save what is missing of the path to *node*; False if there is more to do.

        Parameters:
            node: Where a sequence that was left ends.
            leaves: Whether it leaves the device: quick stores are given it too, and what others hold is left out.
            start: Position before which nothing is saved, where positions can be saved apart.
            room: Bytes at most, but for the last state.
            until: When to stop, by ``time.perf_counter``; after one state at least.
        """
        if not node.held:
            return True
        if leaves:
            self._archive.faded(node)
        if self._holders.shares:
            missing = self._ranges(node, leaves=leaves, start=start)
        else:
            missing = self._whole(node, leaves=leaves)
        chosen: list[_Piece] = []
        for piece in missing:
            if room <= 0:
                break
            chosen.append(piece)
            room -= int((piece.end - piece.start) * self._costs.token_bytes)
        # what comes last is stored first: stores drop the end of a path before its beginning, without which it is lost
        for number, piece in enumerate(reversed(chosen)):
            if number and time.perf_counter() >= until:
                return False
            if not self._one(piece, leaves=leaves):
                return True
        return len(chosen) == len(missing)

    def _whole(self, node: Node, *, leaves: bool) -> list[_Piece]:
        """The state of a sequence that ends at *node*, if it is missing."""
        cells = self._holders.cells
        holders = [each for each in node.holders if cells.length(each) == node.end]
        state = next((state for state in node.states if state.end == node.end), None)
        if not holders or (leaves and len(holders) > 1) or not self._missing(state, leaves=leaves):
            return []
        self._archive.store_checkpoints(node, quick=leaves)
        return [_Piece(node, holders[0], 0, node.end, state)]

    def _ranges(self, node: Node, *, leaves: bool, start: int) -> list[_Piece]:
        """What is missing of the path to *node*, its beginning first; cut where paths part, and where it gets large."""
        pieces: list[_Piece] = []
        for each in [*node.path()][::-1]:
            if each.end <= start or (leaves and each.held > 1):
                continue
            holder = each.holder()
            pieces += [
                _Piece(each, holder, state.start, state.end, state)
                for state in each.states
                if state.node is each and state.start >= start and self._missing(state, leaves=leaves)
            ]
            pieces += [_Piece(each, holder, begin, end) for begin, end in self._cut(_gaps(each, start))]
        return pieces

    def _missing(self, state: State | None, *, leaves: bool) -> bool:
        """Whether a store that should have *state* was not given it."""
        return state is None or (leaves and self._tiers.quick_lack(state))

    def _cut(self, gaps: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        for gap_start, gap_end in gaps:
            start = gap_start
            while start < gap_end:
                end = min(gap_end, start + self._piece())
                yield start, end
                start = end

    def _piece(self) -> int:
        """Tokens of one state."""
        size = self._costs.token_bytes
        return max(1, int(PIECE_BYTES / size)) if size else FIRST_PIECE

    def _one(self, piece: _Piece, *, leaves: bool) -> bool:
        node, holder, start, end, state = piece
        try:
            data = self._runner.save(holder, start, end)
        except BackendFault as error:
            log.warning("a prefix could not be saved", error=error.message)
            return False
        self._costs.saved(end - start, len(data))
        self._left -= len(data)
        if state is None:
            kept = self._archive.keep(node, start, end, data, quick=leaves)
        else:
            kept = self._tiers.keep(state, data)
        self._counters.saved_bytes += kept * len(data)
        return kept


def _gaps(node: Node, start: int) -> list[tuple[int, int]]:
    """Positions of *node*, from *start* on, that no state covers."""
    gaps: list[tuple[int, int]] = []
    reach = max(node.start, start)
    for state in sorted(node.states, key=lambda each: each.start):
        if state.start > reach:
            gaps.append((reach, min(state.start, node.end)))
        reach = max(reach, state.end)
    if reach < node.end:
        gaps.append((reach, node.end))
    return gaps
