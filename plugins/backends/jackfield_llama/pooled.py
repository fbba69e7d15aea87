"""A loaded model that reads whole inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jackfield.errors import BackendFault
from jackfield.ports.backend import Batch
from jackfield_llama import library as llama
from jackfield_llama import pooling_library as pooling
from jackfield_llama.errors import DECODE, UNKNOWN
from jackfield_llama.pooled_tokens import PairEncoder, PooledTokenizer
from jackfield_llama.pooling import computes_probabilities
from jackfield_llama.runner import BoundBatch

if TYPE_CHECKING:
    import numpy.typing as npt

    from jackfield.ports.backend import ModelInfo, RunnerLimits


class LlamaPooledRunner:
    """See ``jackfield.ports.backend.PooledRunner``.

    Parameters:
        model: Loaded model; owned from here on.
        context: A context of it that pools; owned from here on.
        info: What the model is; ``tasks`` has the one thing it is good for.
        limits: What the context can do; ``max_batch_tokens`` is at most its ``n_ubatch``.
    """

    def __init__(self, model: llama.Model, context: llama.Context, info: ModelInfo, limits: RunnerLimits) -> None:
        self._model: llama.Model | None = model
        self._context = context
        self._memory = llama.get_memory(context)
        self.info = info
        self.limits = limits
        self.tokenizer = PooledTokenizer(model)
        self._pairs = PairEncoder(model, self.tokenizer)
        [self._task] = info.tasks
        self._width = info.embedding_size if self._task == "embed" else pooling.model_n_cls_out(model)
        self._probabilities = computes_probabilities(model)
        self._bound: BoundBatch | None = None
        self._present: frozenset[int] = frozenset()

    def warm_up(self) -> None:
        """Compute one input and forget it: pages the weights in.

        Raises:
            BackendFault: The model cannot be computed.
        """
        tokens = self.tokenizer.encode("a", add_bos=True, parse_special=False) or [0]
        batch = Batch(len(tokens))
        batch.add(0, 0, tokens, wants_logits=True)
        self.pool(batch)
        self.pooled(0)
        self._present = frozenset()

    def pair(self, query: str, document: str) -> list[int]:
        """See ``jackfield.ports.backend.PooledRunner``."""
        return self._pairs.encode(query, document)

    def pool(self, batch: Batch) -> None:
        """See ``jackfield.ports.backend.PooledRunner``.

        Every row counts as wanted, whatever the batch says: a result is made of all of them. What llama.cpp would
        answer by aborting the process is refused first: more rows than a micro-batch, positions beyond the last one.
        """
        bound = self._bound
        if bound is None or bound.batch is not batch:
            bound = self._bound = BoundBatch(batch)
        self._present = frozenset()
        present = self._check(bound, batch.rows)
        if self._memory is not None:
            llama.memory_clear(self._memory, False)
        batch.wants_logits[: batch.rows] = 1
        bound.struct.n_tokens = batch.rows
        code = llama.decode(self._context, bound.struct)
        if code != 0:
            raise BackendFault(f"{DECODE.get(code, UNKNOWN).message} (code {code})")
        self._present = present

    def _check(self, bound: BoundBatch, rows: int) -> frozenset[int]:
        """The sequences of the batch, which must each be whole and in order."""
        limits = self.limits
        if not 0 < rows <= min(limits.max_batch_tokens, len(bound.token)):
            raise BackendFault(f"a call of {rows} rows; it must have 1 to {limits.max_batch_tokens}")
        if bound.token[:rows].max() >= self.tokenizer.vocabulary:
            raise BackendFault(f"a token of the call is outside the vocabulary of {self.tokenizer.vocabulary}")
        sequence = bound.sequence[:rows]
        if sequence.max() >= limits.max_sequences:
            raise BackendFault(f"a sequence of the call is outside 0 to {limits.max_sequences - 1}")
        begins = np.flatnonzero(np.diff(sequence, prepend=sequence[:1] + 1))
        lengths = np.diff(begins, append=rows)
        present = frozenset(sequence[begins].tolist())
        if len(present) != len(begins):
            raise BackendFault("the rows of an input do not stand together")
        if (bound.batch.position[:rows] != np.arange(rows) - np.repeat(begins, lengths)).any():
            raise BackendFault("an input of the call is not whole: its positions must be 0, 1, 2, …")
        if lengths.max() > limits.context:
            raise BackendFault(f"an input of {lengths.max()} tokens; it must have at most {limits.context}")
        return present

    def pooled(self, sequence: int) -> npt.NDArray[np.float32]:
        """See ``jackfield.ports.backend.PooledRunner``."""
        pointer = pooling.get_embeddings_seq(self._context, sequence) if sequence in self._present else None
        if not pointer:
            raise BackendFault(f"sequence {sequence} was not in the last call")
        row = llama.float_row(pointer, self._width).copy()
        if not np.isfinite(row).all():
            raise BackendFault("the model computed no usable numbers")
        if self._task == "rerank":
            return row[:1]  # of "yes" and "no", where there are two
        if self._task == "classify" and not self._probabilities:
            return _softmax(row)
        return row

    def close(self) -> None:
        """Free context and model, in this order: freeing a model before its context crashes."""
        model, self._model = self._model, None
        if model is None:
            return
        llama.context_free(self._context)
        llama.model_free(model)


def _softmax(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    weights = np.exp(scores - scores.max())
    probabilities: npt.NDArray[np.float32] = weights / weights.sum()
    return probabilities
