"""Drawing from a row of logits with numpy: temperature, nucleus and min-p over a whole vocabulary.

llama.cpp's chain builds a record of 12 bytes for every token before it filters, and its softmax and draw are scalar:
over 152 k tokens it takes 1.2 ms with a temperature alone, 10 ms for the nucleus of a flat distribution. The same
sets and probabilities cost a tenth of that here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from jackfield.errors import BackendFault

if TYPE_CHECKING:
    import random

    import numpy.typing as npt

_BLOCK: Final = 512
"""Weights per block of the two-level draw: about the square root of a vocabulary, where both levels are cheap."""

_DIRECT_MAX: Final = 4096
"""Up to so many weights a running sum over all of them is faster than two levels."""

_BISECTIONS: Final = 8
"""Halvings of the band in which the nucleus ends: leaves a few percent of a flat distribution to sort."""

TEMPERATURE_MIN: Final = 1e-6
"""Below this only the most likely token has a weight that float32 can tell from 0, and dividing might overflow."""


class Drawer:
    """Draws with ``top_p``, ``min_p`` and ``temperature``, in this order, as llama.cpp defines them.

    Parameters:
        top_p: Nucleus; 1 is off.
        min_p: Least probability relative to the most likely token; 0 is off.
        temperature: Above 0.
        generator: Where the randomness comes from.
        buffer: Scratch of the vocabulary's size; may be shared by drawers of one thread.
    """

    def __init__(
        self,
        *,
        top_p: float,
        min_p: float,
        temperature: float,
        generator: random.Random,
        buffer: npt.NDArray[np.float32],
    ) -> None:
        self._top_p = top_p
        self._min_p = min_p
        self._inverse = np.float32(1 / max(temperature, TEMPERATURE_MIN))
        self._generator = generator
        self._buffer = buffer

    def draw(self, logits: npt.NDArray[np.float32]) -> int:
        """A token drawn from *logits*, which are left as they are."""
        highest = logits.max()
        if not math.isfinite(highest):
            raise BackendFault("the model computed no usable logits")
        if self._top_p < 1:
            kept = self._nucleus(logits, highest)
        elif self._min_p > 0:
            kept = np.flatnonzero(logits >= highest + math.log(self._min_p))
        else:
            return _pick(self._weights(logits, highest, self._inverse), self._generator.random())
        weights = np.exp((logits[kept] - highest) * self._inverse)
        return int(kept[_pick(weights, self._generator.random())])

    def _weights(
        self, logits: npt.NDArray[np.float32], highest: np.float32, inverse: np.float32
    ) -> npt.NDArray[np.float32]:
        weights = np.subtract(logits, highest, out=self._buffer)
        if inverse != 1:
            np.multiply(weights, inverse, out=weights)
        return np.exp(weights, out=weights)

    def _nucleus(self, logits: npt.NDArray[np.float32], highest: np.float32) -> npt.NDArray[np.intp]:
        """Tokens of the nucleus that also pass min-p. Tokens as likely as the last one of the nucleus belong to it.

        With W the sum of all n weights, leave out every token below (1 - top_p) W / n first. Those left out weigh less
        than (1 - top_p) W together, so the rest reaches top_p W: the nucleus, being the shortest run from the top that
        does, lies in the rest.
        """
        weights = self._weights(logits, highest, np.float32(1))
        total = float(weights.sum())
        floor = (1 - self._top_p) * total / len(weights)
        rest = np.flatnonzero(weights >= floor)
        candidates = weights[rest]
        edge = max(_edge(candidates, self._top_p * total, floor), self._min_p)
        return rest[candidates >= edge]


def _edge(weights: npt.NDArray[np.float32], goal: float, floor: float) -> float:
    """The weight at which a run from the largest of *weights* downwards reaches *goal*.

    Sorting is what costs when a distribution is flat, so the band that holds the edge is narrowed by bisection first:
    weights from ``low`` upwards reach the goal, those from ``high`` upwards (together ``above``) do not.
    """
    low, high, above = floor, math.inf, 0.0
    for _ in range(_BISECTIONS if len(weights) > _DIRECT_MAX else 0):
        middle = math.sqrt(low * min(high, 1.0))  # the largest weight is exp(0)
        mass = float(weights.dot(weights >= middle))
        if mass >= goal:
            low = middle
        else:
            high, above = middle, mass
    band = weights[(weights >= low) & (weights < high)]
    falling = np.sort(band)[::-1]
    last = int(falling.cumsum(dtype=np.float64).searchsorted(goal - above))
    return float(falling[last]) if last < len(falling) else low


def _pick(weights: npt.NDArray[np.float32], fraction: float) -> int:
    """Index of the weight in which *fraction* of the sum of all *weights* falls; never one of weight 0."""
    size = len(weights)
    if size <= _DIRECT_MAX:
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
