"""Which KV cells exist, and who holds them: an exact ledger of what the runner was told to do.

Where copies share cells (``limits.reuse`` is ``ranges``) a cell that several sequence ids hold counts once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Segment:
    """Cells of consecutive positions that the same ids hold.

    ``refs`` counts the ids that end in it and the segments that go on after it, ``running`` the running ids that hold
    it.
    """

    __slots__ = ("length", "parent", "refs", "running", "start")

    def __init__(self, parent: Segment | None, start: int, length: int, refs: int, running: int) -> None:
        self.parent = parent
        self.start = start
        self.length = length
        self.refs = refs
        self.running = running

    def chain(self) -> Iterator[Segment]:
        """This segment and all before it, last first."""
        segment: Segment | None = self
        while segment is not None:
            yield segment
            segment = segment.parent

    def own(self) -> int:
        """Cells that no other running id holds than the one that ends here."""
        return sum([segment.length for segment in self.chain() if segment.running == 1])


class CellLedger:
    """Cells by sequence id. Engine loop thread.

    Parameters:
        shared: Whether copies share cells.

    Attributes:
        used: Cells held by anybody.
        busy: Cells held by running ids.
        leaves: The last segment of each id that is held, an empty one where it holds nothing yet.
    """

    __slots__ = ("_shared", "busy", "leaves", "used")

    def __init__(self, *, shared: bool) -> None:
        self._shared = shared
        self.used = 0
        self.busy = 0
        self.leaves: dict[int, Segment] = {}

    def begin(self, holder: int) -> Segment:
        """*holder* runs, and holds nothing yet."""
        leaf = self.leaves[holder] = Segment(None, 0, 0, 1, 1)
        return leaf

    def copy(self, source: int, target: int, length: int) -> Segment:
        """*target* runs, and holds the first *length* cells of *source*: the same, or as many of its own."""
        if not self._shared:
            leaf = self.begin(target)
            self.grow(leaf, length)
            return leaf
        parent = self._part(source, length)
        leaf = self.leaves[target] = Segment(parent, length, 0, 1, 0)
        if parent is not None:
            parent.refs += 1
        self._run(leaf)
        return leaf

    def grow(self, leaf: Segment, count: int) -> None:
        """*count* more cells at the end of a running id."""
        leaf.length += count
        self.used += count
        self.busy += count

    def shrink(self, leaf: Segment, count: int) -> None:
        """*count* cells fewer within the last segment of a running id."""
        self.grow(leaf, -count)

    def rest(self, holder: int) -> None:
        """*holder* does not run any more, and keeps its cells."""
        for segment in self.leaves[holder].chain():
            segment.running -= 1
            if not segment.running:
                self.busy -= segment.length

    def wake(self, holder: int) -> Segment:
        """*holder*, which was at rest, runs again."""
        leaf = self.leaves[holder]
        self._run(leaf)
        return leaf

    def cut(self, holder: int, length: int) -> None:
        """*holder*, at rest, gives back its cells from *length* on."""
        parent = self._part(holder, length)
        leaf = Segment(parent, length, 0, 1, 0)
        if parent is not None:
            parent.refs += 1
        self.drop(holder)
        self.leaves[holder] = leaf

    def drop(self, holder: int) -> None:
        """*holder*, at rest, gives back all it holds."""
        segment: Segment | None = self.leaves.pop(holder)
        while segment is not None:
            segment.refs -= 1
            if segment.refs:
                return
            self.used -= segment.length
            segment = segment.parent

    def length(self, holder: int) -> int:
        """Cells of *holder*, shared ones too."""
        leaf = self.leaves[holder]
        return leaf.start + leaf.length

    def frees(self, holder: int) -> int:
        """Cells that nobody holds any more once *holder*, at rest, is dropped."""
        freed = 0
        for segment in self.leaves[holder].chain():
            if segment.refs > 1:
                break
            freed += segment.length
        return freed

    def idle(self, holder: int, length: int) -> int:
        """Cells of the first *length* of *holder* that no running id holds."""
        return sum(
            min(segment.length, length - segment.start)
            for segment in self.leaves[holder].chain()
            if not segment.running and segment.start < length
        )

    def is_shared(self, holder: int) -> bool:
        """Whether somebody else holds any cell of *holder*."""
        return any(segment.refs > 1 for segment in self.leaves[holder].chain() if segment.length)

    def check_integrity(self) -> None:
        """Raise ``AssertionError`` unless the sums are those of the segments."""
        segments = {segment for leaf in self.leaves.values() for segment in leaf.chain()}
        if self.used != sum(segment.length for segment in segments):
            raise AssertionError("KV cells do not add up")
        if self.busy != sum(segment.length for segment in segments if segment.running):
            raise AssertionError("KV cells of running sequences do not add up")
        if sum(segment.refs for segment in segments) != len(self.leaves) + sum(
            segment.parent is not None for segment in segments
        ):
            raise AssertionError("a holder of KV cells is lost")

    def _run(self, leaf: Segment) -> None:
        for segment in leaf.chain():
            if not segment.running:
                self.busy += segment.length
            segment.running += 1

    def _part(self, holder: int, length: int) -> Segment | None:
        """The segment of *holder* that ends at *length*, made if there is none; None for no cells at all."""
        leaf = self.leaves[holder]
        segment: Segment | None = leaf
        while segment is not None and segment.start >= length:
            segment = segment.parent
        # the last segment of an id is its own, as it may grow: what others share of it becomes one of its own
        if segment is None or (segment is not leaf and segment.start + segment.length == length):
            return segment
        upper = Segment(segment.parent, segment.start, length - segment.start, 1, segment.running)
        segment.parent = upper
        segment.start = length
        segment.length -= upper.length
        return upper
