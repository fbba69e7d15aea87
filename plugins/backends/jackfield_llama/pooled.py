"""A loaded model that reads whole inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from jackfield.errors import BackendFault
from jackfield.ports.backend import Batch
from jackfield_llama import library as llama
from jackfield_llama import pooling_library as pooling
from jackfield_llama.errors import DECODE, UNKNOWN
from jackfield_llama.pooled_tokens import PairEncoder, PooledTokenizer
from jackfield_llama.pooling import computes_probabilities

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from jackfield.ports.backend import ModelInfo, RunnerLimits


class Input(NamedTuple):
    """Where one input stands in a batch."""

    sequence: int
    begin: int
    end: int


class BoundInputs:
    """The columns of a ``Batch`` as llama.cpp wants them, any stretch of them by itself."""

    __slots__ = ("_counts", "_pointers", "batch", "sequence", "token")

    def __init__(self, batch: Batch) -> None:
        capacity = len(batch.token)
        self.batch = batch
        self._pointers = batch.sequence.ctypes.data + batch.sequence.itemsize * np.arange(capacity, dtype=np.uintp)
        self._counts = np.ones(capacity, np.int32)
        # as unsigned numbers negative ids are huge: one comparison checks both ends
        self.token = batch.token.view(np.uint32)
        self.sequence = batch.sequence.view(np.uint32)

    def stretch(self, begin: int, end: int) -> llama.BatchStruct:
        """The rows from *begin* up to *end*."""
        columns = (
            self.batch.token,
            self.batch.position,
            self._pointers,
            self._counts,
            self.batch.wants_logits,
        )
        struct = llama.bind_batch(*(column.ctypes.data + begin * column.itemsize for column in columns))
        struct.n_tokens = end - begin
        return struct


class LlamaPooledRunner:
    """See ``jackfield.ports.backend.PooledRunner``.

    Parameters:
        model: Loaded model; owned from here on.
        context: A context of it that pools; owned from here on.
        info: What the model is; ``tasks`` has the one thing it is good for.
        limits: What it can do; ``context`` is at most the ``n_ubatch`` of the context.
        together: Most tokens of several inputs that are computed in one go; at most that, too.
    """

    def __init__(
        self, model: llama.Model, context: llama.Context, info: ModelInfo, limits: RunnerLimits, together: int
    ) -> None:
        self._model: llama.Model | None = model
        self._context = context
        self._memory = llama.get_memory(context)
        self.info = info
        self.limits = limits
        self._together = together
        self.tokenizer = PooledTokenizer(model)
        self._pairs = PairEncoder(model, self.tokenizer)
        [self._task] = info.tasks
        self._width = info.embedding_size if self._task == "embed" else pooling.model_n_cls_out(model)
        self._probabilities = computes_probabilities(model)
        self._bound: BoundInputs | None = None
        self._results: dict[int, npt.NDArray[np.float32]] = {}

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
        self._results = {}

    def pair(self, query: str, document: str) -> list[int]:
        """See ``jackfield.ports.backend.PooledRunner``."""
        return self._pairs.encode(query, document)

    def pool(self, batch: Batch) -> None:
        """See ``jackfield.ports.backend.PooledRunner``.

        Every row counts as wanted, whatever the batch says: a result is made of all of them. llama.cpp would abort the
        process on more rows in one go than its micro-batch has, and on positions that a model has not learned.
        """
        bound = self._bound
        if bound is None or bound.batch is not batch:
            bound = self._bound = BoundInputs(batch)
        self._results = {}
        inputs = self._inputs(bound, batch.rows)
        batch.wants_logits[: batch.rows] = 1
        results: dict[int, npt.NDArray[np.float32]] = {}
        for group in groups(inputs, self._together):
            self._compute(bound.stretch(group[0].begin, group[-1].end))
            results |= {each.sequence: self._result(each.sequence) for each in group}
        self._results = results

    def _inputs(self, bound: BoundInputs, rows: int) -> list[Input]:
        """The inputs of the batch, which must each be whole and in order."""
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
        if (bound.batch.position[:rows] != np.arange(rows) - np.repeat(begins, lengths)).any():
            raise BackendFault("an input of the call is not whole: its positions must be 0, 1, 2, …")
        if lengths.max() > limits.context:
            raise BackendFault(f"an input of {lengths.max()} tokens; it must have at most {limits.context}")
        inputs = list(map(Input, sequence[begins].tolist(), begins.tolist(), (begins + lengths).tolist()))
        if len({each.sequence for each in inputs}) != len(inputs):
            raise BackendFault("a sequence of the call has two inputs")
        return inputs

    def _compute(self, stretch: llama.BatchStruct) -> None:
        if self._memory is not None:
            llama.memory_clear(self._memory, False)
        code = llama.decode(self._context, stretch)
        if code != 0:
            raise BackendFault(f"{DECODE.get(code, UNKNOWN).message} (code {code})")

    def _result(self, sequence: int) -> npt.NDArray[np.float32]:
        pointer = pooling.get_embeddings_seq(self._context, sequence)
        if not pointer:
            raise BackendFault("llama.cpp gave no result for an input")
        return llama.float_row(pointer, self._width).copy()

    def pooled(self, sequence: int) -> npt.NDArray[np.float32]:
        """See ``jackfield.ports.backend.PooledRunner``."""
        row = self._results.get(sequence)
        if row is None:
            raise BackendFault(f"sequence {sequence} was not in the last call")
        if not np.isfinite(row).all():
            raise BackendFault("the model computed no usable numbers")
        if self._task == "rerank":
            return row[:1].copy()  # of "yes" and "no", where there are two
        if self._task == "classify" and not self._probabilities:
            return _softmax(row)
        return row.copy()

    def close(self) -> None:
        """Free context and model, in this order: freeing a model before its context crashes."""
        model, self._model = self._model, None
        if model is None:
            return
        llama.context_free(self._context)
        llama.model_free(model)


def groups(inputs: Sequence[Input], most: int) -> Iterator[Sequence[Input]]:
    """*inputs* in runs of at most *most* rows, or of one input that is longer.

    A token's attention looks at all rows that are computed with it, if only to see that they are another input's: long
    runs cost more than short ones, very short ones do not fill the processor.
    """
    first = 0
    for index, each in enumerate(inputs):
        if each.end - inputs[first].begin > most and index > first:
            yield inputs[first:index]
            first = index
    yield inputs[first:]


def _softmax(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    weights = np.exp(scores - scores.max())
    probabilities: npt.NDArray[np.float32] = weights / weights.sum()
    return probabilities
