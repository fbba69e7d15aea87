"""Whether a gateway works on a response in the background, and whether somebody wants it to end.

Gateways may share a record store, as while one replaces another. Whoever runs a response says so again and again; one
that was killed falls silent, and then nobody will end what it has begun.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from jackfield.ports.records import Record
from jackfield_openai.records import is_id

if TYPE_CHECKING:
    from jackfield.ports.records import RecordStore

RUN: Final = "response_run"
END: Final = "response_end"

LEASE_S: Final = 15.0
"""How long after its last word a gateway still works on a response."""


class Liveness:
    """What is said of the responses of one tenant, in records that go with them.

    Parameters:
        records: Where they are.
        tenant: Whose.
    """

    def __init__(self, records: RecordStore, tenant: str) -> None:
        self._records = records
        self._tenant = tenant

    async def beat(self, response_id: str) -> None:
        """This gateway works on it."""
        await self._mark(RUN, response_id, time.time() + LEASE_S)

    async def beats(self, response_id: str) -> bool:
        """Whether some gateway works on it."""
        return await self._marked(RUN, response_id)

    async def ask_end(self, response_id: str) -> None:
        """Whoever works on it is to end it."""
        await self._mark(END, response_id, None)

    async def end_asked(self, response_id: str) -> bool:
        """Whether somebody has asked for its end."""
        return await self._marked(END, response_id)

    async def over(self, response_id: str) -> None:
        """Nobody works on it any more."""
        for kind in (RUN, END):
            await self._records.delete(kind, f"{response_id}.{kind}", self._tenant)

    async def _mark(self, kind: str, response_id: str, expires: float | None) -> None:
        record = Record(
            kind=kind,
            id=f"{response_id}.{kind}",
            tenant=self._tenant,
            created=time.time(),
            expires=expires,
            parent=response_id,
        )
        await self._records.put(record)

    async def _marked(self, kind: str, response_id: str) -> bool:
        mark = f"{response_id}.{kind}"
        return is_id(mark) and await self._records.get(kind, mark, self._tenant) is not None
