"""Least squares of what was measured lately, online."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_PULL: Final = 1e-6
"""Weight of the prior, in measurements of what it says: they are off by a tenth, it may be off by a hundred times."""

_OUTLIER: Final = 0.5
"""Relative error, of the smaller of measured and expected, from which a measurement weighs less, the less the more it
is off: something else ran then."""

_REFRESH: Final = 16
"""Measurements between two solutions, once there were as many."""

_SOONEST_S: Final = 1e-6
"""Nothing is shorter; keeps weights finite."""


class DecayedFit:
    """Fits seconds = Σ coefficient · feature, with coefficients that are not negative.

    The least squares of relative errors, so that long measurements rule no more than short ones, weighted by age, with
    a weak pull towards a prior that keeps the coefficients sane while little was measured: ridge regression on decayed
    normal equations (Hastie, Tibshirani, Friedman: The Elements of Statistical Learning, §3.4.1). Outliers weigh as in
    Huber's loss (Huber: Robust estimation of a location parameter, 1964).

    Parameters:
        prior: What the coefficients are taken for before anything was measured; positive.
        decay: Weight of a measurement when the next one comes.
    """

    __slots__ = ("_decay", "_matrix", "_prior", "_size", "_stale", "_vector", "_young", "coefficients")

    def __init__(self, prior: Sequence[float], decay: float) -> None:
        self._prior = tuple(prior)
        self._size = len(self._prior)
        self._decay = decay
        self._matrix = [[0.0] * self._size for _ in self._prior]
        self._vector = [0.0] * self._size
        self._stale = 0
        self._young = _REFRESH
        self.coefficients = list(self._prior)

    def observe(self, features: Sequence[float], seconds: float) -> None:
        """What has these *features* took *seconds*."""
        seconds = max(seconds, _SOONEST_S)
        expected = sum([value * each for value, each in zip(features, self.coefficients, strict=True)])
        off = max(seconds / max(expected, _SOONEST_S), expected / seconds) - 1
        trust = min(1.0, _OUTLIER / max(off, _OUTLIER)) ** 0.5
        weight = trust / seconds
        # scaled by the prior, so that the pull is the same for all
        row = [value * prior * weight for value, prior in zip(features, self._prior, strict=True)]
        decay, vector, size = self._decay, self._vector, self._size
        for index, (line, value) in enumerate(zip(self._matrix, row, strict=True)):
            vector[index] = vector[index] * decay + value * trust
            for column in range(index, size):
                line[column] = line[column] * decay + value * row[column]
        self._stale += 1
        if self._young or self._stale >= _REFRESH:
            self._young = max(0, self._young - 1)
            self._stale = 0
            self._solve()

    def _solve(self) -> None:
        """Solve the normal equations; where a coefficient comes out negative, it is 0 and the rest is solved anew."""
        free = list(range(self._size))
        while free:
            found = self._solve_for(free)
            negative = [index for index, value in zip(free, found, strict=True) if value < 0]
            if not negative:
                scaled = dict(zip(free, found, strict=True))
                self.coefficients = [scaled.get(index, 0.0) * prior for index, prior in enumerate(self._prior)]
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
