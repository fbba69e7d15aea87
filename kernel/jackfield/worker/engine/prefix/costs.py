"""What steps, saves and restores cost, as measured while serving."""

from __future__ import annotations

import math
from typing import Final

from jackfield.worker.engine.prefix.fit import DecayedFit

_STEP_PRIOR: Final = (1e-3, 2e-4, 2e-4, 2e-8, 2e-8)
"""Seconds: of a step, of a decode row, of a prefill row, of one cell for a row of either. A small model on a CPU."""

_STEP_DECAY: Final = 0.995
"""Half of a step is forgotten after 140 more."""

_BOUND_GROWTH: Final = 1.005
"""By how much what a cell may cost at most grows with each step that does not say less."""

_PROMPT_DECAY: Final = 0.8
"""Half of what prompt tokens took is forgotten after three more calls: the longer a prompt, the dearer its tokens."""

_COPY_PRIOR: Final = (2e-4, 2e-6)
"""Seconds: of a save or restore, and of each token in it. A copy in memory of a small model's state."""

_COPY_DECAY: Final = 0.95


class StepCosts:
    """What a call of the backend takes. Engine loop thread.

    Taken to be a + b · decode rows + p · prefill rows + (c · decode rows + q · prefill rows) · cells, where *cells* are
    all that the pool holds: attention reads them whether they belong to the row's sequence or not. Rows of a prompt
    read many at a time, and leave out what none of them may see: a twentieth of what an answer's row pays (0.5 B, CPU).
    """

    __slots__ = ("_fit", "_most", "_prompt_most", "_prompt_rows", "_prompt_s")

    def __init__(self) -> None:
        self._fit = DecayedFit(_STEP_PRIOR, _STEP_DECAY)
        self._most = math.inf
        """What a cell may cost a row at most: a whole step, shared among its rows and cells. Noise cannot fake that."""
        self._prompt_most = math.inf
        """The same of a row of a prompt."""
        self._prompt_s = 0.0
        self._prompt_rows = 0.0

    def observe(self, decode_rows: int, prefill_rows: int, cells: int, seconds: float) -> None:
        """A call of the backend took *seconds*."""
        reads, prompt_reads = decode_rows * cells, prefill_rows * cells
        self._fit.observe((1, decode_rows, prefill_rows, reads, prompt_reads), seconds)
        self._most = min(self._most * _BOUND_GROWTH, seconds / max(reads, 1))
        self._prompt_most = min(self._prompt_most * _BOUND_GROWTH, seconds / max(prompt_reads, 1))
        if prefill_rows > decode_rows:
            self._prompt_s = self._prompt_s * _PROMPT_DECAY + seconds
            self._prompt_rows = self._prompt_rows * _PROMPT_DECAY + prefill_rows

    @property
    def prompt_token_s(self) -> float:
        """What a prompt token took lately, seconds; 0 before any was measured.

        Taken as it was: answers wait for what goes by it, and a model that errs on the low side would have them wait.
        """
        return self._prompt_s / self._prompt_rows if self._prompt_rows else 0.0

    @property
    def idle_cell_s(self) -> float:
        """What one more cell adds to a row of an answer, seconds."""
        return min(self._fit.coefficients[3], self._most)

    def idle_s(self, decode_rows: int, prefill_rows: int) -> float:
        """What one more cell adds to a call of so many rows, seconds."""
        return decode_rows * self.idle_cell_s + prefill_rows * self._prompt_cell_s

    def step_s(self, decode_rows: int, cells: int) -> float:
        """What a step of *decode_rows* takes, seconds."""
        base, row, *_ = self._fit.coefficients
        return base + decode_rows * (row + self.idle_cell_s * cells)

    def token_s(self, cells: int) -> float:
        """What one prompt token takes while the pool holds *cells*, seconds."""
        return self._fit.coefficients[2] + self._prompt_cell_s * cells

    @property
    def _prompt_cell_s(self) -> float:
        return min(self._fit.coefficients[4], self._prompt_most)


class StateCosts:
    """What saving and restoring take: a fixed part, and one for each token. Engine loop thread."""

    __slots__ = ("_restores", "token_bytes")

    def __init__(self) -> None:
        self._restores = DecayedFit(_COPY_PRIOR, _COPY_DECAY)
        self.token_bytes = 0.0
        """Size of a state for each of its tokens; 0 while none was saved."""

    def restored(self, tokens: int, seconds: float) -> None:
        """*tokens* were restored in *seconds*."""
        self._restores.observe((1, tokens), seconds)

    def saved(self, tokens: int, nbytes: int) -> None:
        """The state of *tokens* is *nbytes* large."""
        self.token_bytes = nbytes / tokens

    @property
    def restore_token_s(self) -> float:
        """What each token of a restored state takes, seconds."""
        return self._restores.coefficients[1]

    def restore_s(self, tokens: int) -> float:
        """What restoring *tokens* takes, seconds."""
        base, token = self._restores.coefficients
        return base + token * tokens
