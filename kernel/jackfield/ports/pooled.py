"""Pooled models: they read whole inputs at once and give vectors, scores or labels, never a continued text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from jackfield.ports.backend import Batch, ModelInfo, RunnerLimits
    from jackfield.ports.tokenizer import Tokenizer


class PooledRunner(Protocol):
    """A loaded model that reads whole inputs: it embeds, scores pairs, or classifies, and never continues a text.

    The worker's loop thread is the only caller of ``pool``, ``pooled`` and ``close``; the rest is read from any thread.
    What its methods raise means what it means for a ``Runner``.
    """

    @property
    def info(self) -> ModelInfo:
        """What the model is; ``tasks`` says what it can be asked for."""
        ...

    @property
    def limits(self) -> RunnerLimits:
        """What it can do: ``context`` is the longest input, ``max_sequences`` the most inputs of one call."""
        ...

    @property
    def tokenizer(self) -> Tokenizer:
        """The model's own tokenizer; ``encode`` with ``add_bos`` gives a whole input, end token included."""
        ...

    def pair(self, query: str, document: str) -> list[int]:
        """Token ids of one input for ``rerank``.

        Process and thread: worker, intake thread. Deadline: 1 s for the longest pair. Failure policy: closed.
        """
        ...

    def pool(self, batch: Batch) -> None:
        """Compute whole inputs: every sequence of *batch* starts at position 0 and is all there.

        Nothing of it stays for the next call but what ``pooled`` gives. The call releases the GIL while it computes.

        Raises:
            BackendFault: The batch is illegal or the library failed; the runner can be used again.

        Process and thread: worker, loop thread. Deadline: ``kernel.step_timeout_s``. Failure policy: closed.
        """
        ...

    def pooled(self, sequence: int) -> npt.NDArray[np.float32]:
        """The result of one sequence of the last ``pool``: its vector, its score, or its labels' probabilities.

        A vector is as the model gives it, not normalised. A copy: the next ``pool`` does not change it.

        Raises:
            BackendFault: The sequence was not in the call, or the model computed no usable numbers.

        Process and thread: worker, loop thread. Deadline: 1 ms. Failure policy: closed.
        """
        ...

    def close(self) -> None:
        """Free the model. Nothing else is called afterwards.

        Process and thread: worker, loop or main thread; once. Deadline: 2 s. Failure policy: open.
        """
        ...
