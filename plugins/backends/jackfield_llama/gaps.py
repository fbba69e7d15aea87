"""Candidates for the next token of what fills a gap (``llama_sampler_infill_apply`` in ``src/llama-sampler.cpp``).

Whoever fills a gap in a line of code wants to know what is certain: so the answer ends as soon as that is likely, and a
token is drawn where the likely ones begin alike, or where few are left.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from jackfield_llama.candidates import Candidates, largest

if TYPE_CHECKING:
    import numpy.typing as npt

    from jackfield_llama.tokenizer import LlamaTokenizer

_LIKELY: Final = 0.2
"""Probability below which a token is out, with those that go on as it begins."""

_END_WEIGHT: Final = 3
"""How much more, for each candidate, an end counts than a text."""

PIECES_MAX: Final = 256
"""Candidates whose beginnings are compared, at most: the likeliest. llama.cpp compares all with all."""


class Gaps:
    """Ends what fills gaps of one model. Engine loop thread.

    Parameters:
        tokenizer: The model's.
    """

    def __init__(self, tokenizer: LlamaTokenizer) -> None:
        self._piece = tokenizer.piece
        self._ends = np.array(sorted(tokenizer.end_tokens), np.intp)
        self._end = tokenizer.turn_end

    def narrowed(
        self,
        candidates: Candidates,
        logits: npt.NDArray[np.float32],
        ids: npt.NDArray[np.intp] | None,
        buffer: npt.NDArray[np.float32],
    ) -> Candidates:
        """Those of *candidates* that may be drawn, at least one.

        Parameters:
            candidates: After all filters.
            logits: What could be drawn before them.
            ids: Their tokens; None for the whole vocabulary.
            buffer: Scratch of the vocabulary's size, used within a call only.
        """
        candidates = candidates.possible()
        tokens = np.arange(len(candidates.logits)) if candidates.ids is None else candidates.ids
        weights = candidates.weights(buffer)
        shares = weights / weights.sum()
        ends = np.isin(tokens, self._ends)
        ending = float(shares[ends].sum())
        if _END_WEIGHT * ending * candidates.size > float(shares[~ends].sum()):
            return candidates.keep(np.flatnonzero(ends))
        order = largest(shares, PIECES_MAX)
        merged = self._merged(tokens[order], shares[order])
        ends = ends[order]
        kept = (merged >= _LIKELY) | ends
        texts = int(np.count_nonzero(kept & ~ends))
        if not texts:
            return self._ended(candidates, logits, ids)
        threshold = 1 / (texts + 1)
        kept &= (merged / merged[kept].sum() >= threshold) | ends
        return candidates.keep(np.sort(order[kept]))

    def _merged(self, tokens: npt.NDArray[np.intp], shares: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """*shares*, likeliest first, with each token's given to the likelier one of it and of one that it begins."""
        pieces = [self._piece(token) for token in tokens.tolist()]
        given: list[float] = shares.tolist()
        gone = [False] * len(pieces)
        for first, begin in enumerate(pieces):
            for second, piece in enumerate(pieces):
                if gone[first]:
                    break
                if first == second or gone[second] or not begin or not piece.startswith(begin):
                    continue
                winner, loser = (second, first) if given[second] > given[first] else (first, second)
                given[winner] += given[loser]
                given[loser] = 0.0
                gone[loser] = True
        return np.array(given, np.float32)

    def _ended(
        self, candidates: Candidates, logits: npt.NDArray[np.float32], ids: npt.NDArray[np.intp] | None
    ) -> Candidates:
        """No text is certain enough: the end, or the likeliest candidate where nothing may end here."""
        place = self._end if ids is None else int(np.searchsorted(ids, self._end))
        found = 0 <= place < len(logits) and (ids is None or int(ids[place]) == self._end)
        if not found or logits[place] == -math.inf:
            return candidates.keep(np.array([candidates.logits.argmax()], np.intp))
        return Candidates(np.array([self._end], np.intp), np.ones(1, np.float32), np.float32(1), 1)
