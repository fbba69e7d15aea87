"""What llama.cpp holds of sequences, changed and looked at afterwards: it says yes to what it has not done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from jackfield.errors import BackendFault, KVExhausted
from jackfield_llama import library as llama
from jackfield_llama.runtime import RUNTIME

if TYPE_CHECKING:
    import numpy.typing as npt

_NO_ROOM: Final = ("available cells", "not enough cells")
"""What llama.cpp says where a state fails for want of cells, and for no other reason."""


class SequenceMemory:
    """The memory of one context.

    Parameters:
        context: Where it is; owned by the caller.

    Engine loop thread.
    """

    def __init__(self, context: llama.Context) -> None:
        memory = llama.get_memory(context)
        if memory is None:
            raise AssertionError("the backend refuses models without memory")
        self._context = context
        self._memory = memory

    def end(self, sequence: int) -> int:
        """Position after the last one that *sequence* holds; 0 if it holds none."""
        return llama.memory_seq_pos_max(self._memory, sequence) + 1

    def require(self, sequence: int, start: int, end: int) -> None:
        """Make sure that *sequence* holds positions from *start* to *end* - 1, or none where these are equal.

        Raises:
            BackendFault: It does not. Gaps within cannot be seen.
        """
        wanted = (start, end - 1) if end > start else (-1, -1)
        held = llama.memory_seq_pos_min(self._memory, sequence), llama.memory_seq_pos_max(self._memory, sequence)
        if held != wanted:
            raise BackendFault(
                f"llama.cpp holds positions {held[0]} to {held[1]} instead of {wanted[0]} to {wanted[1]}"
            )

    def require_end(self, sequence: int, end: int) -> None:
        """Make sure that *end* is where *sequence* ends, whatever of its beginning is left.

        Raises:
            BackendFault: It is not.
        """
        if self.end(sequence) != end:
            raise BackendFault(f"llama.cpp holds a sequence up to {self.end(sequence)} instead of {end}")

    def remove(self, sequence: int, start: int = -1, end: int = -1) -> bool:
        """Forget the positions from *start* to *end* - 1 of *sequence*; -1 stands for no bound.

        Returns:
            What llama.cpp says. No means that nothing was done; yes means nothing.
        """
        return llama.memory_seq_rm(self._memory, sequence, start, end)

    def share(self, source: int, target: int, start: int = -1, end: int = -1) -> None:
        """Let *target* have those positions of *source*, too, in the same cells."""
        llama.memory_seq_cp(self._memory, source, target, start, end)

    def move(self, sequence: int, start: int, by: int) -> None:
        """Add *by* to all positions of *sequence* from *start* on, in whichever sequences their cells are.

        The keys follow with the next step.
        """
        llama.memory_seq_add(self._memory, sequence, start, -1, by)

    def read(self, sequence: int, room: int, *, partial: bool = False) -> npt.NDArray[np.uint8]:
        """The state of all that *sequence* holds, behind *room* bytes for the caller.

        Parameters:
            sequence: Whose.
            room: Bytes.
            partial: Only what cannot be cut back: recurrent states, sliding windows.

        Raises:
            BackendFault: llama.cpp gave none.
        """
        size = llama.state_size(self._context, sequence, partial=partial)
        blob = np.empty(room + size, np.uint8)
        if not size or llama.state_get(self._context, blob[room:], sequence, partial=partial) != size:
            raise BackendFault("llama.cpp gave no state")
        return blob

    def write(self, sequence: int, state: npt.NDArray[np.uint8], *, partial: bool = False) -> None:
        """Put a *state* that ``read`` gave in place of what *sequence* holds.

        Raises:
            KVExhausted: There is no room; *sequence* holds nothing.
            BackendFault: The state does not fit; *sequence* holds nothing.
        """
        RUNTIME.logs.clear()
        if llama.state_set(self._context, state, sequence, partial=partial) == len(state):
            return
        self.remove(sequence)
        reason = RUNTIME.logs.reason()
        if any(words in reason for words in _NO_ROOM):
            raise KVExhausted("the KV pool has no room for a saved state")
        raise BackendFault(f"llama.cpp does not take a saved state: {reason or 'it has another length'}")
