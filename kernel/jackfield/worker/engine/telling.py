"""Tells those who ask how far their prompts are computed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from jackfield.types import PromptProgress

if TYPE_CHECKING:
    from jackfield.worker.engine.calls import Chunk
    from jackfield.worker.engine.sequence import Sequence


def prompts_begin(chunks: list[Chunk]) -> bool:
    """*chunks* are about to be computed: tell whose prompts begin. Whether there was anybody to tell."""
    told = False
    for sequence, _ in chunks:
        if sequence.request.shown.progress and sequence.told < 0:
            _tell(sequence)
            told = True
    return told


def prompt_went_on(sequence: Sequence) -> None:
    """More of the prompt of *sequence* is computed. What is computed anew after a preemption is no news."""
    if sequence.request.shown.progress and _computed(sequence) > sequence.told:
        _tell(sequence)


def _tell(sequence: Sequence) -> None:
    request = sequence.request
    sequence.told = _computed(sequence)
    elapsed_s = time.monotonic() - (sequence.started or 0.0)
    cached = request.cached or 0
    request.recipient.post(PromptProgress(len(request.prompt), cached, sequence.told, elapsed_s, sequence.index))


def _computed(sequence: Sequence) -> int:
    """Of the prompt; after a preemption what was drawn of the answer is computed with it."""
    return min(sequence.computed, len(sequence.request.prompt))
