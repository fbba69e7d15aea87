"""A runner that knows the tokens of its sequences, where a state alone does not say what it is of.

A sequence's own keys can be computed again wherever it is cut; what was folded into a state cannot. So a checkpoint
brings the tokens along that it was taken behind, and a sequence goes back to it only if it begins with the same ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jackfield.errors import BackendFault, KVExhausted
from jackfield_llama import library as llama
from jackfield_llama.reusable import ReusableLlamaRunner

if TYPE_CHECKING:
    import numpy.typing as npt

    from jackfield.ports.backend import Batch, ModelInfo, RunnerLimits
    from jackfield_llama.runner import BoundBatch
    from jackfield_llama.states import SavedState


class RememberingRunner(ReusableLlamaRunner):
    """A ``ReusableLlamaRunner`` that remembers tokens.

    Parameters: as ``LlamaRunner``.
    """

    def __init__(self, model: llama.Model, context: llama.Context, info: ModelInfo, limits: RunnerLimits) -> None:
        super().__init__(model, context, info, limits)
        self._tokens = np.zeros((len(self._lengths), llama.n_ctx_seq(context)), np.int32)
        """By sequence and position; beyond a sequence's length they mean nothing."""

    def copy(self, source: int, target: int, length: int) -> None:
        """See ``jackfield.ports.reuse.ReusableRunner``."""
        super().copy(source, target, length)
        self._tokens[target, :length] = self._tokens[source, :length]

    def _compute(self, bound: BoundBatch, rows: int) -> int:
        self._remember(bound.batch, rows)
        return super()._compute(bound, rows)

    def _remember(self, batch: Batch, rows: int) -> None:
        """Note the tokens of the checked *rows*, which are about to be computed."""
        positions = batch.position[:rows]
        if positions.max() >= self._tokens.shape[1]:
            raise KVExhausted("a sequence is longer than the room that it has")
        self._tokens[batch.sequence[:rows], positions] = batch.token[:rows]

    def _tokens_for_state(self, sequence: int, end: int) -> npt.NDArray[np.int32]:
        return self._tokens[sequence, :end]

    def _take_tokens(self, sequence: int, tokens: npt.NDArray[np.int32]) -> None:
        self._tokens[sequence, : len(tokens)] = tokens

    def _check_state(self, saved: SavedState, held: int, length: int) -> None:
        super()._check_state(saved, held, length)
        if len(saved.tokens) != saved.end or saved.tokens.view(np.uint32).max() >= self._vocabulary:
            raise BackendFault("a saved state does not have its tokens")

    def _check_checkpoint(self, sequence: int, saved: SavedState, length: int) -> None:
        super()._check_checkpoint(sequence, saved, length)
        if not np.array_equal(saved.tokens, self._tokens[sequence, :length]):
            raise BackendFault("a checkpoint is of other tokens than the sequence")
