"""``best_of``: which answers of each prompt are sent."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

from jackfield.types import TextDelta

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.frontends.outputs import Delta
    from jackfield.types import Finished

Told: TypeAlias = "tuple[Sequence[Delta], Finished]"
"""All of one answer."""


def best(answers: Sequence[Told], each: int, keep: int) -> list[Told]:
    """The *keep* best of *each* answers to a prompt: OpenAI's "highest log probability per token".

    Parameters:
        answers: Of all prompts, *each* to every one, with log probabilities.
        each: Answers to a prompt.
        keep: How many are sent; best first, of equals the earlier one.
    """
    kept: list[Told] = []
    for first in range(0, len(answers), each):
        kept += sorted(answers[first : first + each], key=_mean, reverse=True)[:keep]
    return kept


def _mean(answer: Told) -> float:
    """Mean log probability of the answer's own tokens; an echoed prompt is the same in all."""
    deltas, finished = answer
    drawn = [token for delta in deltas if isinstance(delta, TextDelta) and delta.tokens for token in delta.logprobs]
    scores = [token.logprob for token in (*drawn, *finished.logprobs) if token.logprob is not None]
    return sum(scores) / len(scores) if scores else -math.inf
