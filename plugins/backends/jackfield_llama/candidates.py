"""What a filter gets and gives: the tokens that may still be drawn."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from jackfield.errors import BackendFault

DIRECT_MAX: Final = 4096
"""Up to so many tokens, sorting or adding up all of them costs less than a way around it."""

ONE: Final = np.float32(1)
"""The inverse of a temperature that changes nothing."""

_BLOCKS: Final = 64
"""Values that share one maximum when the largest are looked for: their maxima cost 10 µs at 152 k, and leave 2,374."""


class Candidates(NamedTuple):
    """Tokens and their logits. Arrays are read, never written, by filters."""

    ids: npt.NDArray[np.intp] | None
    """Token ids, or None for the whole vocabulary."""
    logits: npt.NDArray[np.float32]
    highest: np.float32
    """The highest of ``logits``; finite."""
    size: int
    """How many llama.cpp would count: it keeps tokens of no probability in its list, where ours are gone."""

    @classmethod
    def of(
        cls, logits: npt.NDArray[np.float32], ids: npt.NDArray[np.intp] | None = None, size: int | None = None
    ) -> Candidates:
        """What there is to draw from.

        Parameters:
            logits: At least one.
            ids: Their tokens, rising; None for the whole vocabulary.
            size: As in the tuple; None: as many as there are.

        Raises:
            BackendFault: None of them can be drawn, as none is a number or all are minus infinity.
        """
        return cls(ids, logits, require_usable(logits.max()), len(logits) if size is None else size)

    def keep(self, kept: npt.NDArray[np.intp], *, size: int | None = None) -> Candidates:
        """Only those at the indices *kept*; at least one.

        Parameters:
            kept: Indices into ``logits``.
            size: What ``size`` becomes; None: as many as are kept.
        """
        logits = self.logits[kept]
        ids = kept if self.ids is None else self.ids[kept]
        return Candidates(ids, logits, logits.max(), len(kept) if size is None else size)

    def possible(self) -> Candidates:
        """Without those that cannot be drawn, whose logit is minus infinity."""
        if self.logits.min() > -math.inf:
            return self
        return self.keep(np.flatnonzero(self.logits > -math.inf), size=self.size)

    def token(self, index: int) -> int:
        """The token id at *index*."""
        return index if self.ids is None else int(self.ids[index])

    def weights(self, buffer: npt.NDArray[np.float32], inverse: np.float32 = ONE) -> npt.NDArray[np.float32]:
        """``exp((logit - highest) * inverse)`` in *buffer*: probabilities but for a factor, none above 1."""
        weights = np.subtract(self.logits, self.highest, out=buffer[: len(self.logits)])
        if inverse != ONE:
            np.multiply(weights, inverse, out=weights)
        return np.exp(weights, out=weights)


def require_usable(highest: np.float32) -> np.float32:
    """*highest* of a row of logits, if tokens can be drawn from that row.

    Raises:
        BackendFault: It is NaN or infinite.
    """
    if not math.isfinite(highest):
        raise BackendFault("the model computed no usable logits")
    return highest


def largest(values: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.intp]:
    """Indices of the *count* largest of *values*, largest first; the lower index first among equals.

    The smallest of the *count* largest block maxima has *count* values at or above it, so that only those few are
    sorted: 70 µs for 40 of 152 k, where a partition of all takes 1.4 ms.
    """
    size = len(values)
    count = min(count, size)
    width = size // _BLOCKS
    few = values[: width * _BLOCKS].reshape(_BLOCKS, width).max(axis=0) if count * 2 <= width else values
    bound = np.partition(few, len(few) - count)[len(few) - count]
    among = np.flatnonzero(values >= bound)
    return among[np.argsort(-values[among], kind="stable")[:count]]
