"""Record stores: what frontends keep beyond a request: stored responses, files, batches.

``jackfield_record_stores`` hands over factories of ``RecordStore``; the first one listed is used. A record belongs to a
tenant, and nobody else ever sees it. Every store is bounded: what is oldest gives way, or new records are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal, Protocol, TypeAlias

import msgspec

ID_MAX: Final = 128
"""Longest id, in characters."""

PAGE_MAX: Final = 1000
"""Most records of one listing."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is kept."""

    kind: str
    """What it is, a small word of its frontend's: ``response``, ``file``, ``batch``."""
    id: str
    """Unique among the tenant's records of its kind; 1 to ``ID_MAX`` printable ASCII characters."""
    tenant: str = ""
    """``Principal.tenant``; empty where nobody is asked who calls."""
    created: float
    """Unix seconds."""
    expires: float | None = None
    """Unix seconds after which it is gone; None keeps it as long as the store's bounds allow."""
    parent: str = ""
    """Id of the record, of whatever kind, that it belongs to and goes with: of a batch's results the batch; empty for
    none."""
    body: bytes = b""
    """What only its frontend reads."""


class StoreFull(Exception):
    """There is no room, and nothing may give way."""


class RecordStore(Protocol):
    """Keeps records over restarts.

    Calls may overlap, and gateways of two generations may use one store at a time.
    """

    async def put(self, record: Record, *, when: Literal["new", "there", "always"] = "always") -> bool:
        """Keep *record*, whole or not at all: it is there after a crash from when this returns.

        Parameters:
            record: It replaces one of its tenant, kind and id.
            when: ``new`` only where there was none, ``there`` only where there was one.

        Returns:
            Whether it was kept; False only for *when*.

        Raises:
            StoreFull: There is no room.

        Process and thread: gateway, event loop thread, which it must not block. Deadline: 5 s. Failure policy:
        closed; the request fails with 503, and it is logged by name.
        """
        ...

    async def get(self, kind: str, record_id: str, tenant: str) -> Record | None:
        """The record; None where there is none, or it has expired.

        Process and thread: gateway, event loop thread, which it must not block. Deadline: 5 s. Failure policy:
        closed; the request fails with 503, and it is logged by name.
        """
        ...

    async def delete(self, kind: str, record_id: str, tenant: str) -> bool:
        """Forget a record and all that belong to it; whether it was there.

        Process and thread: gateway, event loop thread, which it must not block. Deadline: 5 s. Failure policy:
        closed; the request fails with 503, and it is logged by name.
        """
        ...

    async def find(
        self,
        kind: str,
        tenant: str | None,
        *,
        parent: str = "",
        after: str = "",
        limit: int = 100,
        newest_first: bool = False,
    ) -> Sequence[Record]:
        """Records in order of ``created``, then of id.

        Parameters:
            kind: Of which kind.
            tenant: Whose; None is everybody's, for what the server itself does with them.
            parent: Only those that belong to this one; empty is all.
            after: Id of the record that the page before ended with; empty is the first page. Nothing follows one that
                is not there any more.
            limit: At most so many, 1 to ``PAGE_MAX``.
            newest_first: Turn the order round.

        Process and thread: gateway, event loop thread, which it must not block. Deadline: 5 s. Failure policy:
        closed; the request fails with 503, and it is logged by name.
        """
        ...

    async def close(self) -> None:
        """Give back what it holds.

        Process and thread: gateway, event loop thread, which it must not block. Deadline: 5 s. Failure policy:
        open; it is logged by name.
        """
        ...


RecordStoreFactory: TypeAlias = Callable[[], RecordStore]
"""What ``jackfield_record_stores`` hands over. Called once, by the gateway's event loop thread."""
