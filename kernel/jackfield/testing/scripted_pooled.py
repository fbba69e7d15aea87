"""The pooled model of ``jackfield.testing.scripted``: vectors, scores and classes that follow from inputs' bytes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from jackfield.errors import BackendFault
from jackfield.testing.script import END, VOCABULARY, Script, ScriptedTokenizer, obey, text_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from jackfield.pooled import PoolTask
    from jackfield.ports.backend import Batch, ModelInfo, RunnerLimits

VECTOR_SIZE: Final = 8
"""Components of a pooled model's vectors."""

LABELS: Final = ("capitals", "others")
"""What a pooled model tells texts apart by."""


class ScriptedPooledRunner:
    """Reads inputs byte by byte."""

    def __init__(self, info: ModelInfo, limits: RunnerLimits) -> None:
        self.info = info
        self.limits = limits
        self.tokenizer = ScriptedTokenizer()
        self.calls: list[int] = []
        """How many inputs each call had."""
        self._task: PoolTask = next(task for task in info.tasks if task != "generate")
        self._texts: dict[int, str] = {}

    def pair(self, query: str, document: str) -> list[int]:
        """Both texts, with the end token between them."""
        return [*query.encode(errors="replace"), END, *document.encode(errors="replace")]

    def pool(self, batch: Batch) -> None:
        """Take whole inputs in; obey their directives."""
        self._texts = {}
        if not 0 < batch.rows <= self.limits.max_batch_tokens:
            raise BackendFault("the call has no rows, or more than the runner takes")
        tokens: dict[int, list[int]] = {}
        for row in range(batch.rows):
            inputs = tokens.setdefault(int(batch.sequence[row]), [])
            if batch.position[row] != len(inputs) or not batch.wants_logits[row]:
                raise BackendFault("an input is not whole")
            if not 0 <= batch.token[row] < VOCABULARY:
                raise BackendFault("a token is outside the vocabulary")
            inputs.append(int(batch.token[row]))
        if not all(0 <= sequence < self.limits.max_sequences for sequence in tokens):
            raise BackendFault("a sequence is outside the runner's")
        if max(map(len, tokens.values())) > self.limits.context:
            raise BackendFault("an input is too long")
        self.calls.append(len(tokens))
        self._texts = {sequence: text_of(inputs) for sequence, inputs in tokens.items()}
        obey([(Script.read(text), 0) for text in self._texts.values()])

    def pooled(self, sequence: int) -> npt.NDArray[np.float32]:
        """What the text of *sequence* says, by the model's task."""
        import numpy as np  # a plugin's module is imported in gateways too

        text = self._texts.get(sequence)
        if text is None:
            raise BackendFault("the sequence was not in the call")
        if "[zero:]" in text or "[nan:]" in text:
            return np.full(VECTOR_SIZE, 0.0 if "[zero:]" in text else math.nan, np.float32)
        if self._task == "rerank":
            query, _, document = text.partition("\0")
            return np.array([len(set(query.split()) & set(document.split()))], np.float32)
        if self._task == "classify":
            capitals = sum(map(str.isupper, text)) / max(len(text), 1)
            return np.array([capitals, 1 - capitals], np.float32)
        remainders = [byte % VECTOR_SIZE for byte in text.encode()]
        return np.bincount(remainders, minlength=VECTOR_SIZE).astype(np.float32)

    def close(self) -> None:
        """Forget everything."""
        self._texts.clear()
