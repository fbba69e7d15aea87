"""Drawing from a row of logits with numpy: the filters, the temperature, the draw.

llama.cpp's chain builds a record of 12 bytes for every token before it filters, and its softmax and draw are scalar:
over 152 k tokens it takes 1.2 ms with a temperature alone, 10 ms for the nucleus of a flat distribution. The same
sets and probabilities cost a tenth of that here.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Final

import numpy as np

from jackfield_llama.candidates import DIRECT_MAX, Candidates
from jackfield_llama.filters import filters

if TYPE_CHECKING:
    import numpy.typing as npt

    from jackfield.sampling import SamplingParams
    from jackfield_llama.gaps import Gaps

_BLOCK: Final = 512
"""Weights per block of the two-level draw: about the square root of a vocabulary, where both levels are cheap."""

TEMPERATURE_MIN: Final = 1e-6
"""Below this only the most likely token has a weight that float32 can tell from 0, and dividing might overflow."""


class Drawer:
    """Filters, then temperature, then draw, as llama.cpp does them.

    Parameters:
        params: How to draw; ``mirostat`` is not looked at.
        buffer: Scratch of the vocabulary's size; may be shared by drawers of one thread.
        gaps: Narrows the candidates of what fills a gap, where ``infill`` is on.
    """

    def __init__(self, params: SamplingParams, buffer: npt.NDArray[np.float32], gaps: Gaps | None = None) -> None:
        self._gaps = gaps if params.infill else None
        self._generator = random.Random(params.seed)  # noqa: S311 - not for secrets; must repeat for a seed
        self._filters = filters(params, self._generator, buffer)
        self._temperature = params.temperature
        self._range = params.dynatemp_range
        self._exponent = params.dynatemp_exponent
        self._buffer = buffer

    def draw(self, logits: npt.NDArray[np.float32], ids: npt.NDArray[np.intp] | None = None) -> int:
        """A token drawn from *logits*, which are left as they are; *ids* as in ``Candidates.of``."""
        candidates = self.filtered(Candidates.of(logits, ids, len(self._buffer)))
        if self._gaps is not None:
            candidates = self._gaps.narrowed(candidates, logits, ids, self._buffer)
        temperature = self.temperature(candidates)
        if temperature <= 0:
            return candidates.token(int(candidates.logits.argmax()))
        inverse = np.float32(1 / max(temperature, TEMPERATURE_MIN))
        return candidates.token(pick(candidates.weights(self._buffer, inverse), self._generator.random()))

    def filtered(self, candidates: Candidates) -> Candidates:
        """Those of *candidates* that may be drawn."""
        for each in self._filters:
            candidates = each(candidates)
        return candidates

    def temperature(self, candidates: Candidates) -> float:
        """The temperature for *candidates*, moved by their entropy with dynatemp (``llama_sampler_temp_ext_apply``)."""
        if self._range <= 0 or candidates.size <= 1:
            return self._temperature
        low, high = max(0.0, self._temperature - self._range), self._temperature + self._range
        share = min(max(entropy(candidates, self._buffer) / math.log(candidates.size), 0.0), 1.0)
        return low + (high - low) * math.pow(share, self._exponent)


def entropy(candidates: Candidates, buffer: npt.NDArray[np.float32]) -> float:
    """Entropy of the softmax of *candidates*, in nats."""
    candidates = candidates.possible()
    weights = candidates.weights(buffer)
    total = float(weights.sum())
    return math.log(total) - float(weights.dot(candidates.logits - candidates.highest)) / total


def pick(weights: npt.NDArray[np.float32], fraction: float) -> int:
    """Index of the weight in which *fraction* of the sum of all *weights* falls; never one of weight 0."""
    size = len(weights)
    if size <= DIRECT_MAX:
        return _pick_directly(weights, fraction)
    whole = size - size % _BLOCK
    sums = np.append(weights[:whole].reshape(-1, _BLOCK).sum(axis=1), weights[whole:].sum()).astype(np.float64)
    ends = sums.cumsum()
    target = min(fraction * ends[-1], np.nextafter(ends[-1], 0))
    block = int(ends.searchsorted(target, side="right"))
    start = block * _BLOCK
    into = (target - (ends[block] - sums[block])) / sums[block]
    return start + _pick_directly(weights[start : start + _BLOCK], min(max(into, 0.0), 1.0))


def _pick_directly(weights: npt.NDArray[np.float32], fraction: float) -> int:
    ends = weights.cumsum(dtype=np.float64)
    target = min(fraction * ends[-1], np.nextafter(ends[-1], 0))
    return int(ends.searchsorted(target, side="right"))
