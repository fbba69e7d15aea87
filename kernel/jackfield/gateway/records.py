"""The record store as frontends see it: with deadlines, and named where it fails."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, Literal, TypeVar

import structlog

from jackfield.errors import JackfieldError, PluginError, StoreUnavailable
from jackfield.gateway.answering import answered
from jackfield.logs import traceback_of
from jackfield.ports.records import StoreFull

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from jackfield.ports.records import Record, RecordStore, RecordStoreFactory

Result = TypeVar("Result")

DEADLINE_S: Final = 5.0
"""How long one call may take; the port promises that."""


class NamedRecordStore:
    """A record store that fails with ``StoreUnavailable`` and nothing else but ``StoreFull``. Event loop thread.

    Parameters:
        name: The plugin's.
        factory: Makes the store.

    Raises:
        PluginError: The store cannot be made; the message names the plugin.
        JackfieldError: Why it cannot be made, in the plugin's own words.
    """

    def __init__(self, name: str, factory: RecordStoreFactory) -> None:
        self._name = name
        try:
            self._store: RecordStore = factory()
        except JackfieldError:
            raise
        except Exception as error:
            raise PluginError(f"record store {name} could not be made: {type(error).__name__}: {error}") from error

    async def put(self, record: Record, *, when: Literal["new", "there", "always"] = "always") -> bool:
        """See ``RecordStore``."""
        return await self._bounded(lambda: self._store.put(record, when=when))

    async def get(self, kind: str, record_id: str, tenant: str) -> Record | None:
        """See ``RecordStore``."""
        return await self._bounded(lambda: self._store.get(kind, record_id, tenant))

    async def delete(self, kind: str, record_id: str, tenant: str) -> bool:
        """See ``RecordStore``."""
        return await self._bounded(lambda: self._store.delete(kind, record_id, tenant))

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
        """See ``RecordStore``."""
        return await self._bounded(
            lambda: self._store.find(kind, tenant, parent=parent, after=after, limit=limit, newest_first=newest_first)
        )

    async def close(self) -> None:
        """See ``RecordStore``."""
        with suppress(StoreUnavailable, StoreFull):
            await self._bounded(self._store.close)

    async def _bounded(self, call: Callable[[], Awaitable[Result]]) -> Result:
        try:
            return await answered(call(), DEADLINE_S)
        except StoreFull:
            raise
        except Exception as error:
            structlog.get_logger("jackfield.gateway").error(
                "the record store failed", plugin=self._name, traceback=traceback_of(error)
            )
            raise StoreUnavailable("what this request needs cannot be read or kept right now; try again") from error
