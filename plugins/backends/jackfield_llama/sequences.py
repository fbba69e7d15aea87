"""How many sequence ids a context has, what for, and what can be done with what they hold."""

from __future__ import annotations

from typing import Final, NamedTuple

from jackfield.ports.backend import Reuse
from jackfield_llama import library as llama

SPARE: Final = 8
"""Spare ids beside one for each sequence that may run: so many prefixes can be kept that nobody uses right now. An id
costs room for one row of logits."""


class SequencePlan(NamedTuple):
    """Sequence ids of a context."""

    reuse: Reuse
    """What can be done with computed keys and values."""
    total: int
    """Ids in all: those of requests, spare ones, and one for states on their way where ranges can be had."""
    spare: int = 0
    """For prefixes that are kept."""


def plan_sequences(model: llama.Model, wanted: int, *, deterministic: bool) -> SequencePlan:
    """Ids for *wanted* sequences of *model*.

    Spare ids are for memory that sequences share: elsewhere each would take its own. llama.cpp has 256 ids at most.
    States of a sliding window are saved without what has left the window, so that nothing can be cut off them later.
    Restored, they lie in other cells, which changes last digits: no use for deterministic results.
    """
    if llama.model_n_swa(model):
        return SequencePlan("none" if deterministic else "checkpoints", wanted)
    if llama.model_is_recurrent(model) or llama.model_is_hybrid(model):
        return SequencePlan("checkpoints", wanted)
    room = llama.max_parallel_sequences() - wanted - 1
    if deterministic or room < 0:
        return SequencePlan("whole", wanted)
    spare = min(wanted + SPARE, room)
    return SequencePlan("ranges", wanted + spare + 1, spare)
