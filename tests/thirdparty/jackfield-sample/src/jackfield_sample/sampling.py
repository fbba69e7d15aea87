"""From logits to a token."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from jackfield.errors import BackendFault, NothingToDraw
from jackfield.sampling import SamplingParams

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Vector: TypeAlias = npt.NDArray[np.float32]
"""Shape (vocabulary,)."""

_OTHERS = ("typical_p", "top_n_sigma", "xtc_probability", "dynatemp_range", "mirostat", "dry_multiplier")
"""Kinds of sampling that are refused: a field that cannot be honoured must not be ignored."""


class NgramSampler:
    """Draws the tokens of one sequence."""

    def __init__(
        self,
        logits: Callable[[int], Vector],
        params: SamplingParams,
        history: Sequence[int],
        bias: Mapping[int, float],
        banned: Sequence[int],
        banned_draws: int | None,
    ) -> None:
        neutral = SamplingParams()
        wanted = [name for name in _OTHERS if getattr(params, name) != getattr(neutral, name)]
        if wanted:
            raise BackendFault(f"this model cannot sample with {', '.join(wanted)}")
        self._logits = logits
        self._params = params
        self._seen = list(history)
        self._drawn: Counter[int] = Counter()
        self._bias = bias
        self._banned = list(banned)
        self._banned_draws = banned_draws
        self._random = np.random.default_rng(params.seed)

    def sample(self, row: int, mask: npt.NDArray[np.uint32] | None = None) -> int:
        """Draw, and remember."""
        logits = self._penalised(self._logits(row).copy())
        if mask is not None:
            allowed = np.unpackbits(mask.astype("<u4").view(np.uint8), bitorder="little")[: len(logits)]
            logits[allowed == 0] = -np.inf
        if logits.max() == -np.inf:
            raise NothingToDraw("mask, bans and biases leave no token")
        if self._params.temperature == 0:
            token = int(np.argmax(logits))
        else:
            token = int(self._random.choice(len(logits), p=self._probabilities(logits)))
        self._seen.append(token)
        self._drawn[token] += 1
        return token

    def close(self) -> None:
        """Nothing to give back."""

    def _penalised(self, logits: Vector) -> Vector:
        params = self._params
        for token, value in self._bias.items():
            logits[token] += value
        looked_at = params.repeat_last_n if params.repeat_last_n >= 0 else len(self._seen)
        for token in set(self._seen[len(self._seen) - min(looked_at, len(self._seen)) :]):
            logits[token] *= params.repeat_penalty if logits[token] < 0 else 1 / params.repeat_penalty
        for token, count in self._drawn.items():
            logits[token] -= params.presence_penalty + count * params.frequency_penalty
        if self._banned_draws is None or self._drawn.total() < self._banned_draws:
            logits[self._banned] = -np.inf
        return logits

    def _probabilities(self, logits: Vector) -> npt.NDArray[np.float64]:
        params = self._params
        weights = np.exp(logits.astype(np.float64) - logits.max())
        order = np.argsort(-weights, kind="stable")
        ranked = weights[order] / weights.sum()
        keep = ranked >= params.min_p * ranked[0]
        keep[params.top_k or len(keep) :] = False
        keep[1:] &= np.cumsum(ranked)[:-1] < params.top_p
        tempered = np.zeros_like(ranked)
        tempered[order[keep]] = ranked[keep] ** (1 / params.temperature)
        probabilities: npt.NDArray[np.float64] = tempered / tempered.sum()
        return probabilities
