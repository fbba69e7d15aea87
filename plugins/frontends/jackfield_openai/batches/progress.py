"""How far a batch is, and whether it is to go on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from jackfield.errors import http
from jackfield_openai.batches.records import Counts
from jackfield_openai.batches.texts import problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.errors import JackfieldError
    from jackfield_openai.batches.records import BatchRecords, Kept, Line


class Progress:
    """What is finished of a batch. Gateway's event loop.

    Parameters:
        batches: Its tenant's.
        kept: The batch.

    Attributes:
        kept: As clients see it now.
        done: Whether each finished line, by number, has an answer and not an error.
        refusal: Why its owner may have nothing more computed.
    """

    def __init__(self, batches: BatchRecords, kept: Kept) -> None:
        self._batches = batches
        self._total = 0
        self.kept = kept
        self.done: dict[int, bool] = {}
        self.refusal: JackfieldError | None = None

    async def begin(self, total: int) -> None:
        """It has so many lines; some may be finished already."""
        self._total = total
        self.done = {number: line.ok async for number, line in self._batches.lines(self.kept.batch.id)}
        begun = self.kept.batch.in_progress_at or int(time.time())
        self.kept = changed(self.kept, status="in_progress", in_progress_at=begun)
        await self._tell()

    async def add(self, number: int, line: Line) -> None:
        """A line is finished."""
        await self._batches.add_line(self.kept.batch.id, number, line)
        self.done[number] = line.ok
        await self._tell()

    async def over(self) -> bool:
        """Whether no further line is to begin: somebody has ended it, its time is over, its owner may nothing more."""
        if self.refusal is not None or time.time() >= self.kept.batch.expires_at:
            return True
        return await self._batches.cancelled(self.kept.batch.id) is not None

    def problems(self) -> Sequence[Mapping[str, object]]:
        """Why it fails; empty where it does not."""
        if self.refusal is None:
            return ()
        return [problem(http(self.refusal).code, self.refusal.message)]

    def reason(self, *, cancelled: bool) -> tuple[str, str]:
        """A code and a message for lines that were not computed."""
        if self.refusal is not None:
            return http(self.refusal).code, self.refusal.message
        return "batch_cancelled" if cancelled else "batch_expired", "this line was not computed before the batch ended"

    async def _tell(self) -> None:
        completed = sum(self.done.values())
        counts = Counts(self._total, completed, len(self.done) - completed)
        self.kept = changed(self.kept, request_counts=counts)
        await self._batches.keep(self.kept)


def changed(kept: Kept, **fields: object) -> Kept:
    """*kept* with other *fields* of its batch."""
    return msgspec.structs.replace(kept, batch=msgspec.structs.replace(kept.batch, **fields))
