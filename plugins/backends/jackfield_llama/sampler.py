"""The sampler of one sequence."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from jackfield.errors import BackendFault, NothingToDraw
from jackfield.sampling import SamplingParams
from jackfield_llama.candidates import require_usable
from jackfield_llama.draw import Drawer
from jackfield_llama.dry import Dry
from jackfield_llama.edits import AnswerPenalty, Bans, Bias, RepeatPenalty
from jackfield_llama.masks import few_ids, forbid
from jackfield_llama.mirostat import Mirostat

if TYPE_CHECKING:
    from jackfield_llama.dry import BreakerTable
    from jackfield_llama.edits import Edit
    from jackfield_llama.gaps import Gaps

Draw: TypeAlias = Callable[[npt.NDArray[np.float32], npt.NDArray[np.intp] | None], int]
"""Draws one of some logits' tokens, whose ids stand beside them; None where it is the whole vocabulary."""


class RowSource(Protocol):
    """Where samplers find logits, and room to work in."""

    @property
    def scratch(self) -> npt.NDArray[np.float32]:
        """Room for one row, used within a call only."""
        ...

    @property
    def edited(self) -> npt.NDArray[np.float32]:
        """Room for a row that is changed, used within a call only."""
        ...

    @property
    def breakers(self) -> BreakerTable:
        """The breakers of dry."""
        ...

    @property
    def gaps(self) -> Gaps:
        """What may fill a gap."""
        ...

    def logits(self, row: int) -> npt.NDArray[np.float32]:
        """A view of one row; not to be changed, as others may draw from it too."""
        ...


_NOTHING_LEFT: Final = "what is demanded of the answer leaves no token that may be drawn: bans, biases, response format"


class SamplerInput(NamedTuple):
    """What a sampler is made for; see ``jackfield.ports.backend.Runner.sampler``."""

    params: SamplingParams
    history: Sequence[int] = ()
    bias: Mapping[int, float] = MappingProxyType({})
    banned: Sequence[int] = ()
    banned_draws: int | None = None


class LlamaSampler:
    """See ``jackfield.ports.backend.Sampler``: edits, mask, then filters, temperature and draw, or mirostat.

    Parameters:
        source: Where the logits are.
        wanted: How to draw, with token ids of the vocabulary.
        closed: Told when the sampler is closed.
    """

    def __init__(self, source: RowSource, wanted: SamplerInput, closed: Callable[[LlamaSampler], None]) -> None:
        self._source = source
        self._edits = _edits(wanted, source)
        self._draw = _drawing(wanted.params, source)
        self._closed: Callable[[LlamaSampler], None] | None = closed

    def sample(self, row: int, mask: npt.NDArray[np.uint32] | None = None) -> int:
        """See ``jackfield.ports.backend.Sampler``."""
        if self._closed is None:
            raise BackendFault("the sampler is closed")
        computed = self._source.logits(row)
        logits, ids = self._edited(computed), None
        if mask is not None:
            logits, ids = self._masked(logits, mask)
        try:
            token = self._draw(logits, ids)
        except BackendFault:
            if logits.max() == -math.inf < computed.max():
                raise NothingToDraw(_NOTHING_LEFT) from None
            raise
        for edit in self._edits:
            edit.accept(token)
        return token

    def _edited(self, logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """*logits* as the edits make them, in ``edited``; themselves where there is none."""
        if not self._edits:
            return logits
        changed = self._source.edited
        np.copyto(changed, logits)
        for edit in self._edits:
            edit.apply(changed)
        return changed

    def _masked(
        self, logits: npt.NDArray[np.float32], mask: npt.NDArray[np.uint32]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.intp] | None]:
        """What *mask* leaves of *logits*: the few that are allowed and their ids, or all with minus infinities."""
        ids = few_ids(mask, len(logits))
        if ids is None:
            changed = self._source.edited
            forbid(mask, logits, self._source.scratch, changed)
            return changed, None
        if not len(ids):
            raise NothingToDraw(_NOTHING_LEFT)
        return logits[ids], ids

    def close(self) -> None:
        """See ``jackfield.ports.backend.Sampler``."""
        closed, self._closed = self._closed, None
        if closed is not None:
            closed(self)


def _edits(wanted: SamplerInput, source: RowSource) -> list[Edit]:
    params = wanted.params
    edits: list[Edit] = []
    if wanted.bias:
        edits.append(Bias(wanted.bias))
    if wanted.banned:
        edits.append(Bans(wanted.banned, wanted.banned_draws))
    if params.repeat_penalty != 1 and params.repeat_last_n:
        edits.append(RepeatPenalty(params.repeat_penalty, params.repeat_last_n, wanted.history))
    if params.presence_penalty or params.frequency_penalty:
        edits.append(AnswerPenalty(params.presence_penalty, params.frequency_penalty))
    if params.dry_multiplier > 0 and params.dry_penalty_last_n:
        edits.append(Dry(params, source.breakers.find(params.dry_sequence_breakers), wanted.history))
    return edits


def _drawing(params: SamplingParams, source: RowSource) -> Draw:
    """The fastest way to draw as *params* say."""
    if params.temperature == 0 and (params.mirostat or _keeps_the_most_likely(params)):
        return most_likely
    if params.mirostat:
        return Mirostat(params, source.scratch).draw
    return Drawer(params, source.scratch, source.gaps if params.infill else None).draw


def _keeps_the_most_likely(params: SamplingParams) -> bool:
    """Whether no filter can take the most likely token away, and no dynatemp the temperature of 0."""
    return params.typical_p >= 1 and params.xtc_probability <= 0 and params.dynatemp_range <= 0 and not params.infill


def most_likely(logits: npt.NDArray[np.float32], ids: npt.NDArray[np.intp] | None = None) -> int:
    """The most likely token, the first of several; *ids* as in ``Candidates.of``."""
    index = int(logits.argmax())
    require_usable(logits[index])
    return index if ids is None else int(ids[index])
