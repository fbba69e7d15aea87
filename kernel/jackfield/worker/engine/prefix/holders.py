"""Sequence ids and what they hold: those that run, and residents, which keep what ended sequences have computed."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

import structlog

from jackfield.errors import BackendFault
from jackfield.worker.engine.prefix.cells import CellLedger
from jackfield.worker.engine.prefix.residency import Meter, Rent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jackfield.ports.reuse import ReusableRunner
    from jackfield.worker.engine.prefix.counters import CacheCounters
    from jackfield.worker.engine.prefix.tree import Node, PrefixTree

log = structlog.get_logger("jackfield.engine")

CUT_MIN: Final = 64
"""Cells that leave a resident's end at a time, and that stay of it, at least: each cut makes a state of its own."""


class Resident:
    """An id that no sequence runs in, anchored in the tree.

    Parameters:
        node: Where what it holds ends.
        meter: The worker's.
    """

    __slots__ = ("node", "rent", "saved")

    def __init__(self, node: Node, meter: Meter) -> None:
        self.node = node
        self.rent = Rent(meter)
        self.saved = False
        """Whether it was saved ahead of its leaving; states may be lost again, so that is looked at when it leaves."""


class Holders:
    """All ids of a runner. Engine loop thread.

    Parameters:
        runner: Holds the cells.
        tree: Knows what they are of.
        counters: Of the cache.

    Attributes:
        leaving: Called when some of a resident is about to leave the device: with the node where it ends, the position
            from which on nobody else holds it, and the node where what stays of it ends.
    """

    def __init__(self, runner: ReusableRunner, tree: PrefixTree, counters: CacheCounters) -> None:
        limits = runner.limits
        self._runner = runner
        self._tree = tree
        self._counters = counters
        self._capacity = limits.kv_tokens
        self._step_cells = limits.max_batch_tokens
        self._ids = limits.max_sequences + limits.spare_sequences
        self._free = list(range(self._ids - 1, -1, -1))
        self.shares = limits.reuse == "ranges"
        self.cells = CellLedger(shared=self.shares)
        self.residents: OrderedDict[int, Resident] = OrderedDict()
        """The least recently used first."""
        self.meter = Meter()
        self.leaving: Callable[[Node, int, Node | None], None] = lambda _node, _start, _stays: None

    def take(self, keep: int | None = None) -> int | None:
        """An id that holds nothing; of residents the least recently used makes way, but not *keep*."""
        while not self._free and (victim := self._victim(keep)) is not None:
            self.evict(victim)
        return self._free.pop() if self._free else None

    def give_back(self, holder: int) -> None:
        """A running *holder* is over, and so is what it holds."""
        self._runner.remove(holder)
        self.cells.rest(holder)
        self.cells.drop(holder)
        self._free.append(holder)

    def settle(self, holder: int, node: Node) -> None:
        """A running *holder*, anchored at *node*, is over; what it holds stays."""
        self.cells.rest(holder)
        self.residents[holder] = Resident(node, self.meter)
        self._tree.changed(node)

    def wake(self, holder: int) -> Resident:
        """A resident becomes a running id again."""
        self.cells.wake(holder)
        return self.residents.pop(holder)

    def used(self, holder: int, length: int) -> None:
        """Somebody was given the first *length* tokens that *holder* holds, and has them now as well."""
        resident = self.residents.get(holder)
        if resident is None:
            return
        self._counters.kept += 1
        if length == resident.node.end:  # else nobody wanted its end, by which its turn to leave goes
            resident.rent.used()
            self.residents.move_to_end(holder)

    def evict(self, holder: int, *, lost: bool = False) -> None:
        """A resident leaves the device; or what it held is *lost*, so that nothing of it can be saved, or is to be."""
        resident = self.residents.pop(holder)
        if not lost:
            self.leaving(resident.node, resident.node.end - self.cells.frees(holder), None)
        self._counters.evicted_tokens += self.cells.frees(holder)
        self._runner.remove(holder)
        self.cells.drop(holder)
        self._free.append(holder)
        self._tree.release(resident.node, holder)

    def make_room(self, cells: int, keep: int | None = None) -> bool:
        """Let residents leave, their ends first, until *cells* more fit, but not *keep*; whether they do."""
        while (missing := self.cells.used + cells - self._capacity) > 0:
            victim = self._victim(keep)
            if victim is None:
                return False
            self._shorten(victim, missing)
        return True

    def next_to_leave(self) -> Iterator[Resident]:
        """Residents that leave if the next step is as large as may be, or needs an id."""
        free = self._capacity - self.cells.used
        wants_id = not self._free
        for holder, resident in self.residents.items():
            if free >= self._step_cells and not wants_id:
                return
            yield resident
            free += self.cells.frees(holder)
            wants_id = False

    def relieve(self) -> bool:
        """Let one resident leave; False if there is none."""
        victim = self._victim(None)
        if victim is not None:
            self.evict(victim)
        return victim is not None

    def check_integrity(self, running: set[int]) -> None:
        """Raise ``AssertionError`` unless every id is free, runs (as those in *running* do) or is a resident."""
        if sorted([*self._free, *running, *self.residents]) != list(range(self._ids)):
            raise AssertionError("a sequence id is lost or held twice")
        if self.cells.leaves.keys() != running | self.residents.keys():
            raise AssertionError("cells without a holder")
        for holder, resident in self.residents.items():
            if holder not in resident.node.holders or self.cells.length(holder) != resident.node.end:
                raise AssertionError("a resident is not where it should be")
        self.cells.check_integrity()

    def _shorten(self, holder: int, cells: int) -> None:
        """Let the last *cells* cells of a resident leave, or a few more; all of it where hardly any would stay."""
        resident = self.residents[holder]
        stays = self._stays(resident.node, holder, cells) if self.shares else None
        if stays is None:
            self.evict(holder)
            return
        node, resident.node, resident.saved = resident.node, stays, False
        self.leaving(node, stays.end, stays)
        self._tree.hold(stays, holder)
        self._tree.release(node, holder)
        self._counters.evicted_tokens += node.end - stays.end
        try:
            self._runner.cut(holder, stays.end)
        except BackendFault as error:
            log.warning("an idle prefix could not be cut", error=error.message)
            self.evict(holder, lost=True)
        else:
            self.cells.cut(holder, stays.end)

    def _stays(self, node: Node, holder: int, cells: int) -> Node | None:
        """Where *holder*, which ends at *node*, is cut for *cells* that it alone holds; None if all of it may leave.

        At the beginning of a node rather than a little after it, so that what leaves next is not in small pieces.
        """
        least = node.end - self.cells.frees(holder) + CUT_MIN
        at = node.end - max(cells, CUT_MIN)
        if at < least:
            return None
        while node.start > at:
            node = node.parent  # type: ignore[assignment]  # the root starts at 0
        at = min(at, node.end - CUT_MIN)
        if at - node.start < CUT_MIN:
            return node.parent if node.start >= least else None
        return self._tree.split(node, at) if at >= least else None

    def _victim(self, keep: int | None) -> int | None:
        return next((holder for holder in self.residents if holder != keep), None)
