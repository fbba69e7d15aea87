"""What the store keeps of a batch: the batch, its finished lines, who works on it, whether it is to end.

::

    batch         what clients see, and who asked
    batch_open    there while there is work left; so that a gateway need not look through finished ones
    batch_lease   who works on it; expires when nobody renews it
    batch_cancel  there once somebody has asked for its end
    batch_line    one for each finished line, until all stand in files

All belong to the batch and go with it; finished lines belong to the mark that there is work left.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from jackfield.errors import RecordNotFound
from jackfield.ports.identity import Principal
from jackfield.ports.records import PAGE_MAX, Record
from jackfield_openai.records import is_id

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from jackfield.ports.records import RecordStore

KIND: Final = "batch"
OPEN: Final = "batch_open"
LEASE: Final = "batch_lease"
CANCEL: Final = "batch_cancel"
LINE: Final = "batch_line"

_LINES_READ: Final = 100
"""Answers are long: no more of them are in memory than have to be."""


class Counts(msgspec.Struct, frozen=True):
    """``request_counts``."""

    total: int = 0
    completed: int = 0
    failed: int = 0


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """OpenAI's ``Batch``."""

    id: str
    object: str = "batch"
    endpoint: str
    errors: dict[str, msgspec.Raw] | None = None
    input_file_id: str
    completion_window: str = "24h"
    status: str = "validating"
    output_file_id: str | None = None
    error_file_id: str | None = None
    created_at: int
    in_progress_at: int | None = None
    expires_at: int
    finalizing_at: int | None = None
    completed_at: int | None = None
    failed_at: int | None = None
    expired_at: int | None = None
    cancelling_at: int | None = None
    cancelled_at: int | None = None
    request_counts: Counts = Counts()
    metadata: dict[str, str] | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more happens."""
        return self.status in {"completed", "failed", "expired", "cancelled"}


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a batch's record."""

    batch: Batch
    principal: Principal | None = None
    output_lives_s: int | None = None
    """Seconds after which the files with its answers go; None keeps them as long as others."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a finished line's record."""

    ok: bool
    text: str
    """JSON, as it stands in the output or error file."""


_KEPT: Final = msgspec.json.Decoder(Kept)
_LINE: Final = msgspec.json.Decoder(Line)


class BatchRecords:
    """The records of one tenant's batches.

    Parameters:
        records: Where they are.
        tenant: Whose.
    """

    def __init__(self, records: RecordStore, tenant: str) -> None:
        self._records = records
        self.tenant = tenant

    async def create(self, kept: Kept) -> None:
        """A new batch, which somebody has to work on. Raises ``StoreFull``."""
        await self.keep(kept, when="always")
        await self._mark(OPEN, kept.batch.id)

    async def keep(self, kept: Kept, *, when: Literal["always", "there"] = "there") -> None:
        """The batch as it is now."""
        body = msgspec.json.encode(kept)
        created = float(kept.batch.created_at)
        record = Record(kind=KIND, id=kept.batch.id, tenant=self.tenant, created=created, body=body)
        await self._records.put(record, when=when)

    async def close(self, batch_id: str) -> None:
        """Nothing is left to do; its finished lines stand in files."""
        await self._records.delete(OPEN, _mark_id(OPEN, batch_id), self.tenant)

    async def open(self) -> int:
        """How many have work left, counted up to ``PAGE_MAX``."""
        return len(await self._records.find(OPEN, self.tenant, limit=PAGE_MAX))

    async def find(self, batch_id: str) -> Kept:
        """A batch; raises ``RecordNotFound``."""
        record = await self._records.get(KIND, batch_id, self.tenant) if is_id(batch_id) else None
        if record is None:
            raise RecordNotFound("there is no such batch", param="batch_id")
        return await self._now(_KEPT.decode(record.body))

    async def page(self, after: str, limit: int) -> Sequence[Batch]:
        """Batches, newest first."""
        page = await self._records.find(KIND, self.tenant, after=after, limit=limit, newest_first=True)
        return [(await self._now(_KEPT.decode(record.body))).batch for record in page]

    async def _now(self, kept: Kept) -> Kept:
        """One that somebody has asked to end says so before whoever works on it does."""
        if kept.batch.ended or (at := await self.cancelled(kept.batch.id)) is None:
            return kept
        shown = msgspec.structs.replace(kept.batch, status="cancelling", cancelling_at=at)
        return msgspec.structs.replace(kept, batch=shown)

    async def cancel(self, batch_id: str) -> None:
        """Ask whoever works on it to end it."""
        await self._mark(CANCEL, batch_id)

    async def cancelled(self, batch_id: str) -> int | None:
        """When somebody asked for its end; None where nobody has."""
        record = await self._records.get(CANCEL, _mark_id(CANCEL, batch_id), self.tenant)
        return None if record is None else int(record.created)

    async def take(self, batch_id: str, lease_s: float) -> bool:
        """Become the one who works on it, for so many seconds; False where another one is."""
        return await self._lease(batch_id, lease_s, "new")

    async def renew(self, batch_id: str, lease_s: float) -> bool:
        """Stay the one who works on it; False where the lease has expired."""
        return await self._lease(batch_id, lease_s, "there")

    async def leave(self, batch_id: str) -> None:
        """Let others work on it."""
        await self._records.delete(LEASE, _mark_id(LEASE, batch_id), self.tenant)

    async def add_line(self, batch_id: str, number: int, line: Line) -> None:
        """A line is finished. Raises ``StoreFull``."""
        record = Record(
            kind=LINE,
            id=f"{batch_id}.{number:06}",
            tenant=self.tenant,
            created=time.time(),
            parent=_mark_id(OPEN, batch_id),
            body=msgspec.json.encode(line),
        )
        await self._records.put(record)

    async def lines(self, batch_id: str) -> AsyncGenerator[tuple[int, Line], None]:
        """The finished lines and their numbers, in the order in which they were finished."""
        parent, after = _mark_id(OPEN, batch_id), ""
        while page := await self._records.find(LINE, self.tenant, parent=parent, after=after, limit=_LINES_READ):
            for record in page:
                yield int(record.id.rpartition(".")[2]), _LINE.decode(record.body)
            after = page[-1].id

    async def _lease(self, batch_id: str, lease_s: float, when: Literal["new", "there"]) -> bool:
        now = time.time()
        record = Record(
            kind=LEASE,
            id=_mark_id(LEASE, batch_id),
            tenant=self.tenant,
            created=now,
            expires=now + lease_s,
            parent=batch_id,
        )
        return await self._records.put(record, when=when)

    async def _mark(self, kind: str, batch_id: str) -> None:
        record = Record(
            kind=kind, id=_mark_id(kind, batch_id), tenant=self.tenant, created=time.time(), parent=batch_id
        )
        await self._records.put(record, when="new")


def _mark_id(kind: str, batch_id: str) -> str:
    """Another id than the batch's: what belongs to the batch must not go with a mark."""
    return f"{batch_id}.{kind}"
