"""Saving prefixes to the stores before they leave the device, a little after every step."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

import structlog

from jackfield.errors import BackendFault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jackfield.ports.reuse import ReusableRunner
    from jackfield.worker.engine.prefix.archive import Archive
    from jackfield.worker.engine.prefix.costs import StateCosts
    from jackfield.worker.engine.prefix.counters import CacheCounters
    from jackfield.worker.engine.prefix.holders import Holders
    from jackfield.worker.engine.prefix.tiers import Tiers
    from jackfield.worker.engine.prefix.tree import Node

log = structlog.get_logger("jackfield.engine")

STEP_BYTES: Final = 8 * 1024 * 1024
"""Saved between two steps: a copy in memory of a few milliseconds. One state at least."""

PIECE_BYTES: Final = 4 * 1024 * 1024
"""Size of one state where positions can be saved apart."""

FIRST_PIECE: Final = 64
"""Tokens of the first state, whose size tells that of all others."""

QUEUE_MAX: Final = 1024
"""Prefixes that may wait to be saved; those that wait longest are not saved then."""


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
        self._queue: OrderedDict[Node, None] = OrderedDict()
        self._left = STEP_BYTES

    @property
    def busy(self) -> bool:
        """Whether anything waits to be saved."""
        return bool(self._queue)

    def add(self, node: Node) -> None:
        """Save the prefix that ends at *node* soon."""
        if self._tiers.any:
            self._queue[node] = None
            self._queue.move_to_end(node)
            if len(self._queue) > QUEUE_MAX:
                self._queue.popitem(last=False)

    def discard(self, node: Node) -> None:
        """Do not save the prefix that ends at *node*, not for itself."""
        self._queue.pop(node, None)

    def leaving(self, node: Node) -> None:
        """The last holder of *node* may be about to leave the device: save it now, as far as this step's bytes go.

        What was used here while the stores were given other things is saved again: they may have dropped it.
        """
        waiting = node in self._queue
        self._queue.pop(node, None)
        if self._left > 0 and self._tiers.any:
            fading = [state for each in node.path() if each.held == 1 for state in self._archive.fading(each)]
            for state in dict.fromkeys(fading):
                self._archive.lose(state)
            if waiting or fading:
                self._save(node)

    def work(self) -> None:
        """Save as much as one step may."""
        self._left = STEP_BYTES
        while self._queue and self._left > 0:
            node = next(iter(self._queue))
            if self._save(node):
                self._queue.pop(node, None)

    def clear(self) -> None:
        """Save nothing of what waits."""
        self._queue.clear()

    def _save(self, node: Node) -> bool:
        """Save what is missing of the path to *node*; False if there is more to do."""
        if not node.held:
            return True
        if self._left <= 0:
            return False
        if not self._holders.shares:
            self._whole(node)
            return True
        for start, end, holder, place in self._pieces(node):
            if self._left <= 0:
                return False
            if not self._one(place, holder, start, end):
                return True
        return True

    def _whole(self, node: Node) -> None:
        """The state of a sequence that ends at *node*."""
        if any(state.end == node.end for state in node.states):
            return
        cells = self._holders.cells
        holder = next((each for each in node.holders if cells.length(each) == node.end), None)
        if holder is not None and self._one(node, holder, 0, node.end):
            self._archive.store_checkpoints(node)

    def _pieces(self, node: Node) -> Iterator[tuple[int, int, int, Node]]:
        """Start, end, holder and node of what no state covers; cut where paths part, and where they get large."""
        for each in [*node.path()][::-1]:
            for gap_start, gap_end in _gaps(each):
                start = gap_start
                while start < gap_end:
                    end = min(gap_end, start + self._piece())
                    yield start, end, each.holder(), each
                    start = end

    def _piece(self) -> int:
        """Tokens of one state."""
        size = self._costs.token_bytes
        return max(1, int(PIECE_BYTES / size)) if size else FIRST_PIECE

    def _one(self, node: Node, holder: int, start: int, end: int) -> bool:
        try:
            data = self._runner.save(holder, start, end)
        except BackendFault as error:
            log.warning("a prefix could not be saved", error=error.message)
            return False
        self._costs.saved(end - start, len(data))
        self._left -= len(data)
        if not self._archive.keep(node, start, end, data):
            return False
        self._counters.saved_bytes += len(data)
        return True


def _gaps(node: Node) -> list[tuple[int, int]]:
    """Positions of *node* that no state covers."""
    gaps: list[tuple[int, int]] = []
    reach = node.start
    for state in sorted(node.states, key=lambda each: each.start):
        if state.start > reach:
            gaps.append((reach, min(state.start, node.end)))
        reach = max(reach, state.end)
    if reach < node.end:
        gaps.append((reach, node.end))
    return gaps
