"""A language model that is counted: which byte follows the last few bytes in a text file.

Tokens are the 256 bytes and one end token. Logits are logarithms of counts for the longest known context, so greedy
answers repeat the text, and warmer ones mix its lines.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from jackfield.errors import BackendFault, KVExhausted, ModelLoadError
from jackfield.ports.backend import AUTO_CONTEXT_MAX, ModelInfo, RunnerLimits, TokenScores
from jackfield_sample.sampling import NgramSampler, Vector

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jackfield.ports.backend import Batch, ModelSpec, Progress
    from jackfield.sampling import SamplingParams
    from jackfield_sample.ngram import NgramConfig

END: Final = 256
VOCABULARY: Final = 257
BATCH_TOKENS: Final = 256

UNSEEN: Final = 1e-3
"""Counted for every token, so that nothing is impossible."""

FILE_BYTES_MAX: Final = 16 * 1024 * 1024
"""Counts take a hundred times the text's size."""

TEMPLATE: Final = "{% for message in messages %}{{ message.content }}{% endfor %}"


class ByteTokenizer:
    """Bytes as tokens."""

    vocabulary = VOCABULARY
    end_tokens = frozenset({END})
    chat_template: str | None = TEMPLATE
    template_tokens: Mapping[str, str] = {}
    infill = None

    def encode(self, text: str, *, add_bos: bool, parse_special: bool) -> list[int]:
        """The bytes of *text*; there is nothing to put in front, and there are no control tokens."""
        return list(text.encode(errors="replace"))

    def piece(self, token: int) -> bytes:
        """One byte, or nothing for the end."""
        return bytes((token,)) if token < END else b""

    def name(self, token: int) -> bytes:
        """As ``piece``; the end has a name."""
        return self.piece(token) or b"<end>"


class Counts:
    """How often each token followed each context of up to *order* bytes."""

    def __init__(self, lines: Sequence[bytes], order: int, progress: Progress) -> None:
        self._order = order
        self._follow: dict[bytes, Counter[int]] = defaultdict(Counter)
        progress(0.0)
        for number, line in enumerate(lines, 1):
            for end, token in enumerate([*line, END]):
                for length in range(min(order, end) + 1):
                    self._follow[line[end - length : end]][token] += 1
            if number * 20 // len(lines) > (number - 1) * 20 // len(lines):
                progress(number / len(lines))

    def logits(self, tokens: Sequence[int]) -> Vector:
        """For the token after *tokens*; shape (vocabulary,)."""
        context = bytes(token for token in tokens[-self._order :] if token < END)
        while context not in self._follow:
            context = context[1:]
        counts = np.full(VOCABULARY, UNSEEN, np.float32)
        for token, count in self._follow[context].items():
            counts[token] += count
        return np.log(counts)


class NgramRunner:
    """Counts, and the tokens of each sequence."""

    def __init__(self, counts: Counts, info: ModelInfo, limits: RunnerLimits) -> None:
        self.info = info
        self.limits = limits
        self.tokenizer = ByteTokenizer()
        self._counts = counts
        self._cells: dict[int, list[int]] = {}
        self._rows: dict[int, Vector] = {}

    def decode(self, batch: Batch) -> None:
        """Take the rows in and compute the logits that are wanted; all or nothing."""
        held = sum(map(len, self._cells.values()))
        if batch.rows > self.limits.max_batch_tokens:
            raise BackendFault("the step has more rows than the runner takes")
        if held + batch.rows > self.limits.kv_tokens:
            raise KVExhausted("no cell is free")
        self._check(batch)
        self._rows.clear()
        for row in range(batch.rows):
            cells = self._cells.setdefault(int(batch.sequence[row]), [])
            cells.append(int(batch.token[row]))
            if batch.wants_logits[row]:
                self._rows[row] = self._counts.logits(cells)

    def _check(self, batch: Batch) -> None:
        lengths = {sequence: len(cells) for sequence, cells in self._cells.items()}
        for row in range(batch.rows):
            sequence, position, token = (int(column[row]) for column in (batch.sequence, batch.position, batch.token))
            if not (0 <= sequence < self.limits.max_sequences and 0 <= token < VOCABULARY):
                raise BackendFault(f"row {row} has an illegal token or sequence")
            if position != lengths.get(sequence, 0):
                raise BackendFault(f"row {row} does not continue its sequence")
            lengths[sequence] = position + 1

    def remove(self, sequence: int) -> None:
        """Forget a sequence."""
        self._cells.pop(sequence, None)

    def shift(self, sequence: int, keep: int, discard: int) -> None:
        """Drop tokens from the middle of a sequence."""
        cells = self._cells.get(sequence, [])
        if not 0 <= keep < keep + discard <= len(cells):
            raise BackendFault("the sequence has not so many tokens")
        del cells[keep : keep + discard]

    def logits(self, row: int) -> Vector:
        """Of a row of the last step."""
        if row not in self._rows:
            raise BackendFault(f"row {row} has no logits")
        return self._rows[row]

    def scores(self, row: int, token: int, top: int) -> TokenScores:
        """Logarithms of probabilities."""
        logits = self.logits(row)
        logprobs = logits - np.log(np.exp(logits).sum())
        best = np.argsort(-logprobs, kind="stable")[:top]
        return TokenScores(float(logprobs[token]), [(int(each), float(logprobs[each])) for each in best])

    def sampler(
        self,
        params: SamplingParams,
        *,
        history: Sequence[int] = (),
        bias: Mapping[int, float] | None = None,
        banned: Sequence[int] = (),
        banned_draws: int | None = None,
    ) -> NgramSampler:
        """A sampler for one sequence."""
        return NgramSampler(self.logits, params, history, bias or {}, banned, banned_draws)

    def close(self) -> None:
        """Forget everything."""
        self._cells.clear()
        self._rows.clear()


class NgramBackend:
    """Counts text files."""

    def __init__(self, options: Callable[[ModelSpec], NgramConfig]) -> None:
        self._options = options

    def inspect(self, spec: ModelSpec) -> ModelInfo:
        """What the file is, without counting it."""
        self._options(spec)
        return _info(_read(spec), Path(spec.path).name)

    def load(self, spec: ModelSpec, progress: Progress) -> NgramRunner:
        """Count the file of *spec*."""
        config = self._options(spec)
        text = _read(spec)
        counts = Counts([line for line in text.splitlines() if line], config.order, progress)
        context = AUTO_CONTEXT_MAX if spec.context == "auto" else spec.context
        pool = spec.max_sequences * context if spec.kv_tokens == "auto" else spec.kv_tokens
        limits = RunnerLimits(
            context=context,
            max_sequences=spec.max_sequences,
            kv_tokens=max(context, pool),
            max_batch_tokens=max(BATCH_TOKENS, spec.max_sequences),
            deterministic=True,
            can_shift=True,
        )
        return NgramRunner(counts, _info(text, Path(spec.path).name), limits)


def _read(spec: ModelSpec) -> bytes:
    path = Path(spec.path)
    try:
        with path.open("rb") as file:
            text = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ModelLoadError(f"{path.name} cannot be read: {error.strerror}") from error
    if not text.strip() or len(text) > FILE_BYTES_MAX:
        raise ModelLoadError(f"{path.name} must have between 1 byte and {FILE_BYTES_MAX >> 20} MiB of text")
    return text


def _info(text: bytes, name: str) -> ModelInfo:
    return ModelInfo(
        architecture="ngram",
        title=name,
        description=f"n-grams of {len(text):,} bytes",
        parameters=0,
        size_bytes=len(text),
        context_train=AUTO_CONTEXT_MAX,
        vocabulary=VOCABULARY,
        has_chat_template=True,
    )
