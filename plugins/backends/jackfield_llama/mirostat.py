"""Mirostat, which steers the surprise of what is drawn towards a constant (Basu et al., 2021), as in llama.cpp."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Final

import numpy as np

from jackfield_llama.candidates import Candidates, largest
from jackfield_llama.draw import TEMPERATURE_MIN, pick

if TYPE_CHECKING:
    import numpy.typing as npt

    from jackfield.sampling import SamplingParams

ESTIMATED_FROM: Final = 100
"""Most likely tokens that version 1 estimates the distribution's slope from (``m`` in ``common_sampler_init``)."""


class Mirostat:
    """Draws by mirostat 1 or 2 after the temperature; no filter acts besides.

    Parameters:
        params: ``temperature`` above 0, ``mirostat`` 1 or 2.
        buffer: Scratch of the vocabulary's size; may be shared by drawers of one thread.
    """

    def __init__(self, params: SamplingParams, buffer: npt.NDArray[np.float32]) -> None:
        self._generator = random.Random(params.seed)  # noqa: S311 - not for secrets; must repeat for a seed
        self._inverse = np.float32(1 / max(params.temperature, TEMPERATURE_MIN))
        self._tau = params.mirostat_tau
        self._eta = params.mirostat_eta
        self._truncate = self._by_slope if params.mirostat == 1 else self._by_surprise
        self._buffer = buffer
        self.mu = 2 * params.mirostat_tau
        """Most surprise, in bits, that the next draw may have."""

    def draw(self, logits: npt.NDArray[np.float32], ids: npt.NDArray[np.intp] | None = None) -> int:
        """A token drawn from *logits*, which are left as they are; *ids* as in ``Candidates.of``."""
        kept = self.kept(Candidates.of(logits, ids, len(self._buffer)))
        weights = kept.weights(self._buffer)
        chosen = pick(weights, self._generator.random())
        surprise = -math.log2(float(weights[chosen]) / float(weights.sum(dtype=np.float64)))
        self.mu -= self._eta * (surprise - self._tau)
        return kept.token(chosen)

    def kept(self, candidates: Candidates) -> Candidates:
        """The tokens that may be drawn, their logits divided by the temperature."""
        scaled = candidates.logits * self._inverse
        return self._truncate(candidates._replace(logits=scaled, highest=scaled.max()))

    def _by_surprise(self, candidates: Candidates) -> Candidates:
        """Version 2: what surprises by at most ``mu`` bits, or the most likely token."""
        total = float(candidates.weights(self._buffer).sum())
        least = float(candidates.highest) + math.log(total) - self.mu * math.log(2)
        kept = np.flatnonzero(candidates.logits >= least)
        return candidates.keep(kept if len(kept) else largest(candidates.logits, 1))

    def _by_slope(self, candidates: Candidates) -> Candidates:
        """Version 1: the k most likely, k from the slope of the distribution, taken for a Zipf law, and ``mu``."""
        falling = candidates.logits[largest(candidates.logits, ESTIMATED_FROM)].astype(np.float64)
        falling = falling[falling > -math.inf]
        ranks = np.arange(1, len(falling))
        steps = np.log((ranks + 1) / ranks)
        with np.errstate(all="ignore"):
            slope = steps.dot(falling[:-1] - falling[1:]) / steps.dot(steps)
            excess = slope - 1
            count = (excess * np.exp2(self.mu) / (1 - float(candidates.size) ** -excess)) ** (1 / slope)
        if not count < len(candidates.logits):
            return candidates
        return candidates.keep(np.sort(largest(candidates.logits, max(int(count), 1))))
