"""What can be done with computed keys and values, for each kind of memory; see ``jackfield.ports.backend.Reuse``.

llama.cpp answers yes to operations that then corrupt silently: cutting a sliding window back to where it has forgotten
what it needs, taking part of a recurrent state. Each kind here does only what was found to be right (``README.md``),
and looks at the positions afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from jackfield_llama.memory import SequenceMemory
    from jackfield_llama.states import SavedState


class Prefixes(Protocol):
    """Operations on sequences, after the runner has checked ids and lengths.

    A ``BackendFault`` means that llama.cpp did not do it; the runner then removes the sequence at hand.
    """

    def copy(self, source: int, target: int, length: int) -> None:
        """Let the empty *target* hold the first *length* tokens of *source*."""
        ...

    def read(self, sequence: int, start: int, end: int, room: int) -> npt.NDArray[np.uint8]:
        """The state of those positions, behind *room* bytes."""
        ...

    def write(self, sequence: int, state: SavedState, length: int) -> None:
        """Append a state to what comes before it, as far as *length*."""
        ...


class Attention:
    """Keys and values of tokens, each for itself: what is behind any of them can be forgotten.

    Parameters:
        memory: Where the sequences are.
    """

    def __init__(self, memory: SequenceMemory) -> None:
        self._memory = memory

    def cut(self, sequence: int, length: int) -> None:
        """Forget what is behind the first *length* tokens."""
        self._memory.remove(sequence, length)
        self._memory.require(sequence, 0, length)


class WholeSequences(Attention):
    """Attention over cells of a sequence's own, or without a sequence id to spare.

    Copies go through a state: between streams llama.cpp copies whole buffers, and that only within the next step, after
    whatever else may have been written to them.
    """

    def copy(self, source: int, target: int, length: int) -> None:
        """See ``Prefixes``."""
        self._memory.write(target, self._memory.read(source, 0))
        self.cut(target, length)

    def read(self, sequence: int, start: int, end: int, room: int) -> npt.NDArray[np.uint8]:
        """See ``Prefixes``."""
        self._memory.require(sequence, start, end)
        return self._memory.read(sequence, room)

    def write(self, sequence: int, state: SavedState, length: int) -> None:
        """See ``Prefixes``."""
        self._memory.write(sequence, state.body)
        self._memory.require(sequence, 0, state.end)
        self.cut(sequence, length)


class SharedRanges(Attention):
    """Attention over cells that sequences may share: any range can be had, by way of a sequence of nobody's.

    Parameters:
        memory: Where the sequences are.
        scratch: An id that no request uses; empty between calls.
    """

    def __init__(self, memory: SequenceMemory, scratch: int) -> None:
        super().__init__(memory)
        self._scratch = scratch

    def copy(self, source: int, target: int, length: int) -> None:
        """See ``Prefixes``."""
        self._memory.share(source, target, 0, length)
        self._memory.require(target, 0, length)

    def read(self, sequence: int, start: int, end: int, room: int) -> npt.NDArray[np.uint8]:
        """See ``Prefixes``."""
        try:
            self._memory.share(sequence, self._scratch, start, end)
            self._memory.require(self._scratch, start, end)
            return self._memory.read(self._scratch, room)
        finally:
            self._memory.remove(self._scratch)

    def write(self, sequence: int, state: SavedState, length: int) -> None:
        """See ``Prefixes``."""
        self._memory.require(sequence, 0, state.start)
        try:
            self._memory.write(self._scratch, state.body)
            self._memory.require(self._scratch, state.start, state.end)
            self._memory.share(self._scratch, sequence, state.start, length)
        finally:
            self._memory.remove(self._scratch)
        self._memory.require(sequence, 0, length)

    def own(self, sequence: int, start: int, end: int) -> None:
        """Give *sequence* cells of its own for positions *start* to *end* - 1, which it may share."""
        length = self._memory.end(sequence)
        state = self.read(sequence, start, end, 0)
        try:
            self._memory.write(self._scratch, state)
            self._memory.require(self._scratch, start, end)
            self._memory.remove(sequence, start, end)
            self._memory.share(self._scratch, sequence, start, end)
        finally:
            self._memory.remove(self._scratch)
        self._memory.require(sequence, 0, length)


class Checkpoints:
    """Recurrent states and sliding windows, alone or beside attention: back only to where a checkpoint was taken.

    Where attention is beside them a checkpoint has no part of it: what is behind its length is cut off. A purely
    recurrent model's checkpoint is its whole state.

    Parameters:
        memory: Where the sequences are.
    """

    def __init__(self, memory: SequenceMemory) -> None:
        self._memory = memory

    def copy(self, source: int, target: int, length: int) -> None:
        """See ``Prefixes``."""
        self._memory.share(source, target)
        self._memory.require_end(target, length)

    def read(self, sequence: int, start: int, end: int, room: int) -> npt.NDArray[np.uint8]:  # noqa: ARG002 - it is 0
        """See ``Prefixes``."""
        self._memory.require_end(sequence, end)
        return self._memory.read(sequence, room)

    def write(self, sequence: int, state: SavedState, length: int) -> None:
        """See ``Prefixes``."""
        self._memory.write(sequence, state.body)
        self._memory.require_end(sequence, length)

    def checkpoint(self, sequence: int, room: int) -> npt.NDArray[np.uint8]:
        """What cannot be cut back, behind *room* bytes."""
        return self._memory.read(sequence, room, partial=True)

    def rewind(self, sequence: int, state: SavedState) -> None:
        """Go back to a checkpoint."""
        self._memory.write(sequence, state.body, partial=True)
        self._memory.remove(sequence, state.end)
        self._memory.require_end(sequence, state.end)
