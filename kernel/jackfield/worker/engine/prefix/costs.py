"""What steps, saves and restores cost, as measured while serving.

A step's time is taken to be

    a + b · decode rows + p · prefill rows + c · rows · cells

where *cells* are all that the pool holds, since attention reads them whether they belong to the row's sequence or not.
The coefficients are the least squares of relative errors, weighted by age, with a weak pull towards a prior that keeps
them sane while little was measured. (Ridge regression on decayed normal equations; Hastie, Tibshirani, Friedman,
The Elements of Statistical Learning, §3.4.1.)
"""

from __future__ import annotations

from typing import Final

_PRIOR: Final = (1e-3, 2e-4, 2e-4, 1e-8)
"""Seconds: of a step, of a decode row, of a prefill row, of one cell for one row. A small model on a CPU."""

_DECAY: Final = 0.998
"""Weight of a step in the next one's sum: half of it is forgotten after 350 steps."""

_PULL: Final = 1e-3
"""Weight of the prior, in steps."""

_REFRESH: Final = 16
"""Steps between two solutions, once there were as many."""

_SIZE: Final = 4

_SOONEST_S: Final = 1e-5
"""Steps are not shorter; keeps weights finite."""


class StepCosts:
    """Fits the model above. Engine loop thread."""

    def __init__(self) -> None:
        self._matrix = [[0.0] * _SIZE for _ in range(_SIZE)]
        self._vector = [0.0] * _SIZE
        self._solution = list(_PRIOR)
        self._stale = 0
        self._young = _REFRESH
        self._prefilled = False

    def observe(self, decode_rows: int, prefill_rows: int, cells: int, seconds: float) -> None:
        """A call of the backend took *seconds*."""
        seconds = max(seconds, _SOONEST_S)
        # scaled by the prior, so that the pull is the same for all; by the time, so that long steps rule no more
        row = (
            _PRIOR[0] / seconds,
            decode_rows * _PRIOR[1] / seconds,
            prefill_rows * _PRIOR[2] / seconds,
            (decode_rows + prefill_rows) * cells * _PRIOR[3] / seconds,
        )
        for index, (line, value) in enumerate(zip(self._matrix, row, strict=True)):
            self._vector[index] = self._vector[index] * _DECAY + value
            for column in range(index, _SIZE):
                line[column] = line[column] * _DECAY + value * row[column]
        self._prefilled = self._prefilled or prefill_rows > 0
        self._stale += 1
        if self._young or self._stale >= _REFRESH:
            self._young = max(0, self._young - 1)
            self._solve()

    @property
    def row_s(self) -> float:
        """What a decode row adds to a step, cells apart; seconds."""
        return self._solution[1]

    @property
    def idle_cell_s(self) -> float:
        """What one more cell adds to one row of a step, seconds."""
        return self._solution[3]

    def step_s(self, decode_rows: int, cells: int) -> float:
        """What a step of *decode_rows* takes, seconds."""
        base, row, _, cell = self._solution
        return base + decode_rows * (row + cell * cells)

    def token_s(self, cells: int) -> float:
        """What one prompt token takes while the pool holds *cells*, seconds."""
        return self._solution[2] + self._solution[3] * cells

    @property
    def measured(self) -> bool:
        """Whether a prompt token was ever measured."""
        return self._prefilled

    def _solve(self) -> None:
        """Solve the normal equations; where a coefficient comes out negative, it is 0 and the rest is solved anew."""
        self._stale = 0
        free = list(range(_SIZE))
        while free:
            found = self._solve_for(free)
            negative = [index for index, value in zip(free, found, strict=True) if value < 0]
            if not negative:
                scaled = dict(zip(free, found, strict=True))
                self._solution = [scaled.get(index, 0.0) * _PRIOR[index] for index in range(_SIZE)]
                return
            free = [index for index in free if index not in negative]

    def _solve_for(self, free: list[int]) -> list[float]:
        """Gaussian elimination for the coefficients *free*; the pull makes the matrix positive definite."""
        lines = [
            [self._at(row, column) + _PULL * (row == column) for column in free] + [self._vector[row] + _PULL]
            for row in free
        ]
        size = len(free)
        for pivot in range(size):
            for below in range(pivot + 1, size):
                factor = lines[below][pivot] / lines[pivot][pivot]
                for column in range(pivot, size + 1):
                    lines[below][column] -= factor * lines[pivot][column]
        found = [0.0] * size
        for row in reversed(range(size)):
            rest = sum(lines[row][column] * found[column] for column in range(row + 1, size))
            found[row] = (lines[row][size] - rest) / lines[row][row]
        return found

    def _at(self, row: int, column: int) -> float:
        return self._matrix[min(row, column)][max(row, column)]


class StateCosts:
    """What saving and restoring take per token, as measured lately. Engine loop thread."""

    def __init__(self) -> None:
        self.restore_token_s = 2e-6
        """Seconds; as measured, or a copy in memory of an ordinary model's state."""
        self.save_token_s = 2e-6
        self.token_bytes = 0.0
        """Size of a state for each of its tokens; 0 while none was saved."""

    def restored(self, tokens: int, seconds: float) -> None:
        """*tokens* were restored in *seconds*."""
        self.restore_token_s += _RECENT * (seconds / tokens - self.restore_token_s)

    def saved(self, tokens: int, nbytes: int, seconds: float) -> None:
        """The state of *tokens*, which is *nbytes* large, was saved in *seconds*."""
        self.save_token_s += _RECENT * (seconds / tokens - self.save_token_s)
        self.token_bytes = nbytes / tokens


_RECENT: Final = 0.2
"""Weight of the latest measurement."""
