"""Which of the planned sequences start in this step, and with how many tokens."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from jackfield.worker.engine.prefix.following import Leaders, partings
from jackfield.worker.engine.sequence import NO_SLOT
from jackfield.worker.engine.table import LOOKED_UP

if TYPE_CHECKING:
    from jackfield.worker.engine.calls import Chunk
    from jackfield.worker.engine.prefix.cache import PrefixCache
    from jackfield.worker.engine.table import SequenceTable


class Starter:
    """Starts sequences as planned, with what the prefix cache has of them. Engine loop thread.

    Parameters:
        table: Gives them slots.
        cache: Gives them cells, and says how far a prefill goes at once.
    """

    def __init__(self, table: SequenceTable, cache: PrefixCache) -> None:
        self._table = table
        self._cache = cache

    def start(self, chunks: list[Chunk]) -> list[Chunk]:
        """*chunks* as they are computed: less is left of a prompt that is found, and some sequences wait for others."""
        if not any(sequence.slot == NO_SLOT or sequence.prefix.stops for sequence, _ in chunks):
            return chunks
        leaders = self._leaders(chunks)
        room = self._table.free_tokens - sum(count for _, count in chunks)
        ready: list[Chunk] = []
        for sequence, planned in chunks:
            count = planned
            if sequence.slot == NO_SLOT:
                self._cache.look(sequence)
                if leaders.leads(sequence):
                    room += planned
                    continue
                free = self._table.free_tokens
                self._table.start(sequence, time.monotonic(), room)
                room -= free - self._table.free_tokens
                leaders.add(sequence)
                if self._cache.rewinds:
                    sequence.prefix.stops |= partings(sequence, self._table.waiting[:LOOKED_UP])
                count = min(planned, sequence.pending)
            ready.append((sequence, self._cache.bound(sequence, count)))
        return ready

    def _leaders(self, chunks: list[Chunk]) -> Leaders:
        leaders = Leaders(rewinding=self._cache.rewinds)
        for sequence, _ in chunks:
            if sequence.slot != NO_SLOT:
                leaders.add(sequence)
        return leaders
