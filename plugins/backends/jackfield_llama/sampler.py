"""Drawing a token from a row of logits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from jackfield_llama import library as llama

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from jackfield.types import SamplingParams


class RowSource(Protocol):
    """Where samplers find logits."""

    @property
    def context(self) -> llama.Context:
        """The context whose last ``decode`` computed them."""
        ...

    def logits(self, row: int) -> npt.NDArray[np.float32]:
        """A writable view of one row."""
        ...


class LlamaSampler:
    """See ``jackfield.ports.backend.Sampler``.

    Parameters:
        source: Where the logits are.
        params: How to draw.
        banned: Token ids that are never drawn.
        closed: Told when the sampler has given back what it holds.
    """

    def __init__(
        self, source: RowSource, params: SamplingParams, banned: Sequence[int], closed: Callable[[LlamaSampler], None]
    ) -> None:
        self._source = source
        self._banned = np.asarray(banned, np.intp)
        self._closed = closed
        self._chain = None if params.temperature == 0 else llama.sampler_chain(_links(params))

    def sample(self, row: int) -> int:
        logits = self._source.logits(row)
        if not self._banned.size:
            return self._draw(logits, row)
        kept = logits[self._banned]
        logits[self._banned] = -np.inf
        try:
            return self._draw(logits, row)
        finally:
            logits[self._banned] = kept

    def _draw(self, logits: npt.NDArray[np.float32], row: int) -> int:
        if self._chain is None:
            return int(logits.argmax())
        return llama.sampler_sample(self._chain, self._source.context, row)

    def close(self) -> None:
        chain, self._chain = self._chain, None
        if chain is not None:
            llama.sampler_free(chain)
        self._closed(self)


def _links(params: SamplingParams) -> list[llama.SamplerHandle]:
    links = []
    if params.top_k > 0:
        links.append(llama.sampler_init_top_k(params.top_k))
    if params.top_p < 1:
        links.append(llama.sampler_init_top_p(params.top_p, 1))
    if params.min_p > 0:
        links.append(llama.sampler_init_min_p(params.min_p, 1))
    links.append(llama.sampler_init_temp(params.temperature))
    links.append(llama.sampler_init_dist(params.seed or 0))
    return links
