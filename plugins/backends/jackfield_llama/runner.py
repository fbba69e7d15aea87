"""A loaded model, stepped by the engine."""

from __future__ import annotations

import ctypes
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np

from jackfield.errors import BackendFault
from jackfield_llama import library as llama
from jackfield_llama.dry import BreakerTable
from jackfield_llama.errors import decode_error
from jackfield_llama.gaps import Gaps
from jackfield_llama.memory import SequenceMemory
from jackfield_llama.sampler import LlamaSampler, SamplerInput
from jackfield_llama.scores import token_scores
from jackfield_llama.tokenizer import LlamaTokenizer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from jackfield.ports.backend import Batch, ModelInfo, RunnerLimits, TokenScores
    from jackfield.sampling import SamplingParams

_POINTER_BYTES: Final = ctypes.sizeof(ctypes.c_void_p)


class BoundBatch:
    """A ``llama_batch`` whose columns are those of a ``Batch``, and views of them for the checks."""

    __slots__ = ("_kept", "batch", "sequence", "struct", "token")

    def __init__(self, batch: Batch) -> None:
        capacity = len(batch.token)
        pointers = batch.sequence.ctypes.data + batch.sequence.itemsize * np.arange(capacity, dtype=np.uintp)
        counts = np.ones(capacity, np.int32)
        self._kept = (pointers, counts)
        self.batch = batch
        self.struct = llama.bind_batch(
            batch.token.ctypes.data,
            batch.position.ctypes.data,
            pointers.ctypes.data,
            counts.ctypes.data,
            batch.wants_logits.ctypes.data,
        )
        # as unsigned numbers negative ids are huge: one comparison checks both ends
        self.token = batch.token.view(np.uint32)
        self.sequence = batch.sequence.view(np.uint32)


class LlamaRunner:
    """See ``jackfield.ports.backend.Runner``.

    Parameters:
        model: Loaded model; owned from here on.
        context: Its context, with nothing in its memory; owned from here on.
        info: What the model is.
        limits: What the context can do.
    """

    def __init__(self, model: llama.Model, context: llama.Context, info: ModelInfo, limits: RunnerLimits) -> None:
        self._model: llama.Model | None = model
        self.context = context
        self.memory = SequenceMemory(context)
        self.info = info
        self.limits = limits
        self.tokenizer = LlamaTokenizer(model)
        self._vocabulary = self.tokenizer.vocabulary
        self._sequences = limits.max_sequences + limits.spare_sequences
        self._lengths = np.zeros(self._sequences, np.int32)
        self._bound: BoundBatch | None = None
        self.scratch = np.empty(self._vocabulary, np.float32)
        """Room for one row of logits, for samplers; engine loop thread."""
        self.edited = np.empty_like(self.scratch)
        """Room for a row that a sampler changes; engine loop thread."""
        self.breakers = BreakerTable(self.tokenizer)
        self.gaps = Gaps(self.tokenizer)
        """For samplers; engine loop thread."""
        self._suppressed = llama.vocab_suppressed(llama.model_get_vocab(model))
        self._samplers: set[LlamaSampler] = set()

    def decode(self, batch: Batch) -> None:
        """See ``jackfield.ports.backend.Runner``. The checks cost about 20 µs."""
        bound = self._bound
        if bound is None or bound.batch is not batch:
            bound = self._bound = BoundBatch(batch)
        rows = batch.rows
        self._check_ranges(bound, rows)
        ends, lengths = self._check_positions(batch, rows)
        code = self._compute(bound, rows)
        if code == 0:
            self._lengths[ends] = lengths
            return
        if code != 1:
            for sequence in ends.tolist():
                self._lengths[sequence] = self.memory.end(sequence)
        raise decode_error(code)

    def _compute(self, bound: BoundBatch, rows: int) -> int:
        """Have llama.cpp compute the checked *rows*; returns its code."""
        bound.struct.n_tokens = rows
        return llama.decode(self.context, bound.struct)

    def _check_ranges(self, bound: BoundBatch, rows: int) -> None:
        if not 0 < rows <= min(self.limits.max_batch_tokens, len(bound.token)):
            raise BackendFault(f"a step of {rows} rows; it must have 1 to {self.limits.max_batch_tokens}")
        if bound.token[:rows].max() >= self._vocabulary:
            raise BackendFault(f"a token of the step is outside the vocabulary of {self._vocabulary}")
        if bound.sequence[:rows].max() >= self._sequences:
            raise BackendFault(f"a sequence of the step is outside 0 to {self._sequences - 1}")

    def _check_positions(self, batch: Batch, rows: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """The sequences of the step and their lengths after it.

        llama.cpp would take a repeated position, or a start beyond the end, without a word and compute nonsense.
        """
        order = batch.sequence[:rows].argsort(kind="stable")
        sequence = batch.sequence[:rows][order]
        position = batch.position[:rows][order]
        last = np.empty(rows, np.bool_)
        last[-1] = True
        np.not_equal(sequence[1:], sequence[:-1], out=last[:-1])
        ends = last.nonzero()[0]
        first = np.empty_like(ends)
        first[0] = 0
        first[1:] = ends[:-1] + 1
        sequences = sequence[ends]
        starts = position[first]
        if (starts != self._lengths[sequences]).any() or (
            len(ends) < rows and (np.diff(position)[~last[:-1]] != 1).any()
        ):
            raise BackendFault("positions of the step do not continue their sequences")
        return sequences, position[ends] + 1

    def logits(self, row: int) -> npt.NDArray[np.float32]:
        """A view of the logits of *row*, valid until the next ``decode``. Engine loop thread."""
        self._require_row(row)
        return self._logits_at(row)

    def _require_row(self, row: int) -> None:
        bound = self._bound
        if bound is None or not 0 <= row < bound.batch.rows:
            raise BackendFault(f"row {row} was not in the last step")

    def _logits_at(self, place: int) -> npt.NDArray[np.float32]:
        """The logits of row *place* of the last call of llama.cpp."""
        pointer = llama.get_logits_ith(self.context, place) if place >= 0 else None
        if not pointer:
            raise BackendFault("the row did not ask for logits")
        return llama.float_row(pointer, self._vocabulary)

    def remove(self, sequence: int) -> None:
        """See ``jackfield.ports.backend.Runner``."""
        self._check_sequence(sequence)
        self.memory.remove(sequence)
        self._lengths[sequence] = 0

    def _check_sequence(self, sequence: int) -> None:
        if not 0 <= sequence < self._sequences:
            raise BackendFault(f"there is no sequence {sequence}; they are 0 to {self._sequences - 1}")

    def shift(self, sequence: int, keep: int, discard: int) -> None:
        """See ``jackfield.ports.backend.Runner``. Checked before and after: llama.cpp says yes to what it cannot do."""
        length = self._check_shift(sequence, keep, discard)
        self.memory.require(sequence, 0, length)
        if not self.memory.remove(sequence, keep, keep + discard):
            raise BackendFault("llama.cpp cannot take tokens out of the sequence")
        self.memory.move(sequence, keep + discard, -discard)
        self._lengths[sequence] = length - discard
        self.memory.require(sequence, 0, length - discard)

    def _check_shift(self, sequence: int, keep: int, discard: int) -> int:
        """How many tokens *sequence* has, if it can be shifted like this."""
        self._check_sequence(sequence)
        length = int(self._lengths[sequence])
        if not self.limits.can_shift:
            raise BackendFault("this model's memory cannot be shifted")
        if keep < 0 or discard < 1 or keep + discard > length:
            raise BackendFault(f"{discard} tokens after the first {keep} are not in a sequence of {length}")
        return length

    def scores(self, row: int, token: int, top: int) -> TokenScores:
        """See ``jackfield.ports.backend.Runner``."""
        if not 0 <= token < self._vocabulary:
            raise BackendFault(f"token {token} is outside the vocabulary of {self._vocabulary}")
        return token_scores(self.logits(row), token, top, self.scratch)

    def sampler(
        self,
        params: SamplingParams,
        *,
        history: Sequence[int] = (),
        bias: Mapping[int, float] = MappingProxyType({}),
        banned: Sequence[int] = (),
        banned_draws: int | None = None,
    ) -> LlamaSampler:
        """See ``jackfield.ports.backend.Runner``. Tokens that the model's file suppresses are banned as well."""
        for what, tokens in (("history", history), ("bias", tuple(bias)), ("banned", banned)):
            if len(tokens) and not 0 <= min(tokens) <= max(tokens) < self._vocabulary:
                raise BackendFault(f"a token of {what} is outside the vocabulary of {self._vocabulary}")
        if self._suppressed:
            bias = {**bias, **self._suppressed}
        sampler = LlamaSampler(self, SamplerInput(params, history, bias, banned, banned_draws), self._samplers.discard)
        self._samplers.add(sampler)
        return sampler

    def close(self) -> None:
        """Free samplers, context and model, in this order: freeing a model before its context crashes."""
        model, self._model = self._model, None
        if model is None:
            return
        for sampler in tuple(self._samplers):
            sampler.close()
        llama.context_free(self.context)
        llama.model_free(model)
