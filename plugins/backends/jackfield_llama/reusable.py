"""A loaded model whose computed prefixes can be kept, copied and saved."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from jackfield.errors import BackendFault, KVExhausted
from jackfield_llama.prefixes import Attention, Checkpoints, SharedRanges, WholeSequences
from jackfield_llama.runner import LlamaRunner
from jackfield_llama.states import SavedState, room, seal, unseal

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from jackfield.ports.backend import Batch, ModelInfo, RunnerLimits
    from jackfield_llama import library as llama
    from jackfield_llama.memory import SequenceMemory
    from jackfield_llama.prefixes import Prefixes

T = TypeVar("T")

_NO_TOKENS: Final = np.zeros(0, np.int32)


class ReusableLlamaRunner(LlamaRunner):
    """See ``jackfield.ports.reuse.ReusableRunner``.

    Parameters: as ``LlamaRunner``.
    """

    def __init__(self, model: llama.Model, context: llama.Context, info: ModelInfo, limits: RunnerLimits) -> None:
        super().__init__(model, context, info, limits)
        self._prefixes = _prefixes(self.memory, limits)
        self._shared = np.zeros_like(self._lengths)
        """For each sequence, up to where its cells may be others' too."""
        self._moved: set[int] = set()
        """Sequences whose keys will follow their positions with the next step."""

    def decode(self, batch: Batch) -> None:
        """See ``jackfield.ports.backend.Runner``."""
        super().decode(batch)
        self._moved.clear()

    def remove(self, sequence: int) -> None:
        """See ``jackfield.ports.backend.Runner``."""
        super().remove(sequence)
        self._shared[sequence] = 0
        self._moved.discard(sequence)

    def shift(self, sequence: int, keep: int, discard: int) -> None:
        """See ``jackfield.ports.backend.Runner``. What other sequences share would move with it, so it gets its own."""
        self._check_shift(sequence, keep, discard)
        start, shared = keep + discard, int(self._shared[sequence])
        if shared > start and isinstance(self._prefixes, SharedRanges):
            self._require_settled(sequence)
            self._prefixes.own(sequence, start, shared)
        super().shift(sequence, keep, discard)
        self._shared[sequence] = min(shared, keep)
        self._moved.add(sequence)

    def copy(self, source: int, target: int, length: int) -> None:
        """See ``jackfield.ports.reuse.ReusableRunner``."""
        prefixes, held = self._any(), self._held(source)
        if self._held(target):
            raise BackendFault("a sequence that is copied to must hold nothing")
        if not 0 < length <= held or (self.limits.reuse == "checkpoints" and length < held):
            raise BackendFault(f"{length} tokens cannot be copied from a sequence of {held}")
        with self._emptied_by_faults(target):
            prefixes.copy(source, target, length)
        self._lengths[target] = length
        if self.limits.reuse == "ranges":
            self._shared[[source, target]] = max(int(self._shared[source]), length), length
        if source in self._moved:
            self._moved.add(target)

    def cut(self, sequence: int, length: int) -> None:
        """See ``jackfield.ports.reuse.ReusableRunner``."""
        prefixes, held = self._able(Attention), self._held(sequence)
        with self._emptied_by_faults(sequence):
            if not 0 <= length <= held:
                raise BackendFault(f"a sequence of {held} tokens cannot be cut to {length}")
            prefixes.cut(sequence, length)
        self._lengths[sequence] = length
        self._shared[sequence] = min(int(self._shared[sequence]), length)

    def save(self, sequence: int, start: int, end: int) -> memoryview:
        """See ``jackfield.ports.reuse.ReusableRunner``."""
        prefixes, held = self._any(), self._held(sequence)
        self._require_settled(sequence)
        whole = (start, end) == (0, held)
        if not (whole or self.limits.reuse == "ranges") or not 0 <= start < end <= held:
            raise BackendFault(f"positions {start} to {end} of a sequence of {held} cannot be saved")
        tokens = self._tokens_for_state(sequence, end)
        return seal(prefixes.read(sequence, start, end, room(len(tokens))), start, end, tokens)

    def restore(self, sequence: int, state: memoryview, length: int) -> None:
        """See ``jackfield.ports.reuse.ReusableRunner``."""
        prefixes, held = self._any(), self._held(sequence)
        with self._emptied_by_faults(sequence):
            saved = unseal(state)
            self._check_state(saved, held, length)
            prefixes.write(sequence, saved, length)
        self._lengths[sequence] = length
        self._take_tokens(sequence, saved.tokens)

    def checkpoint(self, sequence: int) -> memoryview:
        """See ``jackfield.ports.reuse.ReusableRunner``."""
        prefixes, held = self._able(Checkpoints), self._held(sequence)
        if not held:
            raise BackendFault("a sequence that holds nothing has no checkpoint")
        tokens = self._tokens_for_state(sequence, held)
        return seal(prefixes.checkpoint(sequence, room(len(tokens))), 0, held, tokens, checkpoint=True)

    def rewind(self, sequence: int, checkpoint: memoryview, length: int) -> None:
        """See ``jackfield.ports.reuse.ReusableRunner``."""
        prefixes = self._able(Checkpoints)
        self._check_sequence(sequence)
        with self._emptied_by_faults(sequence):
            saved = unseal(checkpoint, checkpoint=True)
            self._check_checkpoint(sequence, saved, length)
            try:
                prefixes.rewind(sequence, saved)
            except KVExhausted as error:  # others share the cells that were to be used again
                raise BackendFault(error.message) from error
        self._lengths[sequence] = length

    def _tokens_for_state(self, sequence: int, end: int) -> npt.NDArray[np.int32]:  # noqa: ARG002 - of a sequence
        """Tokens that a state must bring along: none."""
        return _NO_TOKENS

    def _take_tokens(self, sequence: int, tokens: npt.NDArray[np.int32]) -> None:
        """Remember the *tokens* that a state of *sequence* brought along."""

    def _check_state(self, saved: SavedState, held: int, length: int) -> None:
        reuse = self.limits.reuse
        if saved.start != held or (saved.start and reuse != "ranges"):
            raise BackendFault(f"a state from position {saved.start} on does not continue a sequence of {held} tokens")
        if not saved.start < length <= saved.end or (reuse == "checkpoints" and length != saved.end):
            raise BackendFault(f"a state of positions {saved.start} to {saved.end} cannot be restored up to {length}")
        if saved.end > self.limits.context:
            raise BackendFault(f"a state of {saved.end} tokens is longer than the context of {self.limits.context}")

    def _check_checkpoint(self, sequence: int, saved: SavedState, length: int) -> None:
        held = self._held(sequence)
        if not 0 < length <= held or saved.end != length:
            raise BackendFault(f"a checkpoint of {saved.end} tokens is not one of {length}, of {held} now")

    def _any(self) -> Prefixes:
        """What does what all kinds of memory can."""
        if self._prefixes is None:
            raise BackendFault("this model's memory cannot do that")
        return self._prefixes

    def _able(self, kind: type[T]) -> T:
        """What does it, where the memory is of that *kind*."""
        if not isinstance(self._prefixes, kind):
            raise BackendFault("this model's memory cannot do that")
        return self._prefixes

    def _held(self, sequence: int) -> int:
        """How many tokens *sequence* holds, if there is such a sequence."""
        self._check_sequence(sequence)
        return int(self._lengths[sequence])

    def _require_settled(self, sequence: int) -> None:
        if sequence in self._moved:
            raise BackendFault("the keys of a shifted sequence are moved with the next step")

    @contextmanager
    def _emptied_by_faults(self, sequence: int) -> Iterator[None]:
        """What a fault may have left half done is removed; where only room was missing nothing was begun."""
        try:
            yield
        except KVExhausted:
            raise
        except BackendFault:
            self.remove(sequence)
            raise


def _prefixes(memory: SequenceMemory, limits: RunnerLimits) -> Prefixes | None:
    if limits.reuse == "none":
        return None
    if limits.reuse == "ranges":
        return SharedRanges(memory, limits.max_sequences + limits.spare_sequences)
    return WholeSequences(memory) if limits.reuse == "whole" else Checkpoints(memory)
