"""Sequences that wait a little for another that begins like them and is just being computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jackfield.worker.engine.prefix.tokens import TOKEN_BYTES, common

if TYPE_CHECKING:
    from jackfield.worker.engine.sequence import Sequence

GAIN_MIN: Final = 32
"""Tokens from which waiting is better than computing the same again."""


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
        if sequence.node is not None and sequence.scope is not None and sequence.computed < sequence.prompt_cells:
            self._leaders.setdefault(sequence.scope, []).append(sequence)

    def leads(self, sequence: Sequence) -> bool:
        """Whether a prefill is about to compute a good part of what waiting *sequence* would have to compute itself.

        Where that is of use, a leader is asked for a checkpoint where the two part.
        """
        if sequence.scope is None or sequence.unscored or sequence.suspect:
            return False
        for leader in self._leaders.get(sequence.scope, ()):
            shared = self._shared(leader, sequence)
            if shared >= sequence.computed + GAIN_MIN and shared > leader.computed:
                if self._rewinding:
                    leader.stops.add(shared)
                return True
        return False

    @staticmethod
    def _shared(leader: Sequence, sequence: Sequence) -> int:
        """Tokens that both begin with and *sequence* could be given; 0 where that is too few."""
        least = sequence.computed + GAIN_MIN
        most = min(leader.prompt_cells, len(sequence.tokens) - 1)
        # most prompts differ in the first tokens after what is known: two looks spare a comparison
        if most < least or leader.tokens[least - 1] != sequence.tokens[least - 1]:
            return 0
        key = sequence.key[: most * TOKEN_BYTES]
        return common(key, leader.key)
