"""Samplers: how the next token of one sequence is drawn."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Protocol

import numpy as np

from jackfield.errors import BackendFault
from jackfield_llama import library as llama
from jackfield_llama.draw import Drawer

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

    @property
    def scratch(self) -> npt.NDArray[np.float32]:
        """Room for one row, used within a call only."""
        ...

    def logits(self, row: int) -> npt.NDArray[np.float32]:
        """A writable view of one row."""
        ...


class LlamaSampler:
    """See ``jackfield.ports.backend.Sampler``.

    Three ways to draw, whichever is fastest for the parameters: the most likely token (temperature 0), a llama.cpp
    chain (with ``top_k``, which leaves the rest of the chain little to do), or ``Drawer``.

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
        self._chain: llama.SamplerHandle | None = None
        self._draw: Callable[[npt.NDArray[np.float32], int], int]
        if params.temperature == 0:
            self._draw = self._most_likely
        elif 0 < params.top_k < len(source.scratch):
            self._chain = llama.sampler_chain(_links(params))
            self._draw = self._from_chain
        else:
            drawer = Drawer(
                top_p=params.top_p,
                min_p=params.min_p,
                temperature=params.temperature,
                generator=random.Random(params.seed),  # noqa: S311 - not for secrets; must repeat for a seed
                buffer=source.scratch,
            )
            self._draw = lambda logits, _row: drawer.draw(logits)

    def sample(self, row: int) -> int:
        """See ``jackfield.ports.backend.Sampler``."""
        logits = self._source.logits(row)
        if not self._banned.size:
            return self._draw(logits, row)
        kept = logits[self._banned]
        logits[self._banned] = -np.inf
        try:
            return self._draw(logits, row)
        finally:
            logits[self._banned] = kept  # another sampler may draw from this row, with other bans

    def close(self) -> None:
        """See ``jackfield.ports.backend.Sampler``."""
        chain, self._chain = self._chain, None
        if chain is not None:
            llama.sampler_free(chain)
        self._closed(self)

    @staticmethod
    def _most_likely(logits: npt.NDArray[np.float32], _row: int) -> int:
        token = int(logits.argmax())
        if not math.isfinite(logits[token]):
            raise BackendFault("the model computed no usable logits")
        return token

    def _from_chain(self, _logits: npt.NDArray[np.float32], row: int) -> int:
        if self._chain is None:
            raise BackendFault("the sampler is closed")
        return llama.sampler_sample(self._chain, self._source.context, row)


def _links(params: SamplingParams) -> list[llama.SamplerHandle]:
    links = [llama.sampler_init_top_k(params.top_k)]
    if params.top_p < 1:
        links.append(llama.sampler_init_top_p(params.top_p, 1))
    if params.min_p > 0:
        links.append(llama.sampler_init_min_p(params.min_p, 1))
    links.append(llama.sampler_init_temp(params.temperature))
    links.append(llama.sampler_init_dist(params.seed or 0))
    return links
