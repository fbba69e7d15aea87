"""Sequences that wait a little for another that begins like them and is just being computed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from jackfield.worker.engine.prefix.tokens import TOKEN_BYTES, common

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jackfield.worker.engine.sequence import Sequence

GAIN_MIN: Final = 32
"""Tokens from which waiting is better than computing the same again."""

PARTINGS_MAX: Final = 4
"""Places in one prompt where a checkpoint is taken for others that wait: each ends a step."""


class Leaders:
    """Prefills that get tokens in this step, by scope. Engine loop thread.

    Parameters:
        rewinding: Whether the runner can only go on from checkpoints.
    """

    def __init__(self, *, rewinding: bool) -> None:
        self._rewinding = rewinding
        self._leaders: dict[bytes, list[Sequence]] = {}

    def add(self, sequence: Sequence) -> None:
        """*sequence* runs and gets tokens; it leads where its prompt is not all computed."""
        if (
            sequence.prefix.node is not None
            and sequence.scope is not None
            and sequence.computed < sequence.prompt_cells
        ):
            self._leaders.setdefault(sequence.scope, []).append(sequence)

    def leads(self, sequence: Sequence) -> bool:
        """Whether a prefill is about to compute a good part of what waiting *sequence* would have to compute itself.

        Where that is of use, a leader is asked for a checkpoint where the two part.
        """
        if sequence.scope is None or sequence.unscored or sequence.suspect:
            return False
        for leader in self._leaders.get(sequence.scope, ()):
            shared = _shared(leader, sequence)
            if shared >= sequence.computed + GAIN_MIN and shared > leader.computed:
                if self._rewinding:
                    leader.prefix.stops.add(shared)
                return True
        return False


def partings(sequence: Sequence, waiting: Iterable[Sequence]) -> set[int]:
    """Where *sequence*, which is about to start, will part from those that wait: the places that matter to most."""
    if sequence.prefix.node is None:
        return set()
    places = Counter(
        _shared(sequence, other)
        for other in waiting
        if other.scope == sequence.scope and not (other.unscored or other.suspect)
    )
    return {place for place, _ in places.most_common(PARTINGS_MAX) if place >= sequence.computed + GAIN_MIN}


def _shared(leader: Sequence, sequence: Sequence) -> int:
    """Tokens that both begin with and *sequence* could be given; 0 where that is too few."""
    least = sequence.computed + GAIN_MIN
    most = min(leader.prompt_cells, len(sequence.tokens) - 1)
    # most prompts differ in the first tokens after what is known: one look spares a comparison
    if most < least or leader.tokens[least - 1] != sequence.tokens[least - 1]:
        return 0
    return common(sequence.prefix.key[: most * TOKEN_BYTES], leader.prefix.key)
