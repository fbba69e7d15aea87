"""Keys in the policy store, as commands change them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from jackfield.errors import StoreUnavailable
from jackfield.ports.policy_store import CHANGES_MAX, DocumentName, VersionConflict
from jackfield_keys.changes import importing
from jackfield_keys.document_storage import KeyDocuments, last_used_in, name_of
from jackfield_keys.edit import KeyEditor
from jackfield_keys.records import KIND

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from jackfield.ports.policy_store import PolicyStore, PolicyStoreFactory
    from jackfield_keys.changes import Change, Result
    from jackfield_keys.records import KeyRecord

Done = TypeVar("Done")

ATTEMPTS: Final = 20
"""How often a change is tried where others change the store at the same time; each time one of them succeeds."""


class StoredKeys(KeyEditor):
    """The keys in a policy store. One process, one thread, where no event loop runs.

    Parameters:
        factory: Makes the store.
    """

    def __init__(self, factory: PolicyStoreFactory) -> None:
        self._factory = factory
        self._reader = KeyDocuments()

    def records(self) -> Sequence[KeyRecord]:
        return self.apply(lambda records: (records, ()))

    def last_used(self) -> Mapping[str, float]:
        async def read(store: PolicyStore) -> Mapping[str, float]:
            return last_used_in((await _documents(store))[1])

        return self._with_store(read)

    def apply(self, change: Change[Result]) -> Result:
        async def changed(store: PolicyStore) -> Result:
            for _ in range(ATTEMPTS):
                version, documents = await _documents(store)
                records, self.unusable = self._reader.read(documents)
                result, altered = change(records)
                if not altered:
                    return result
                with suppress(VersionConflict):
                    await store.change(version, {_name(each): msgspec.json.encode(each) for each in altered})
                    return result
            raise StoreUnavailable("others change the policy store at the same time; try again")

        return self._with_store(changed)

    def take_over(self, foreign: Sequence[KeyRecord]) -> Sequence[KeyRecord]:
        """In several steps, where there are more than one change can have."""
        taken: list[KeyRecord] = []
        for start in range(0, len(foreign), CHANGES_MAX):
            taken += self.apply(importing(foreign[start : start + CHANGES_MAX]))
        return taken

    def _with_store(self, work: Callable[[PolicyStore], Awaitable[Done]]) -> Done:
        async def worked() -> Done:
            store = self._factory()
            try:
                return await work(store)
            finally:
                await store.close()

        return asyncio.run(worked())


async def _documents(store: PolicyStore) -> tuple[int, Mapping[str, bytes]]:
    """The store's version, and its documents of keys by name."""
    changes = await store.since(0)
    found = {name.name: data for name, data in changes.documents.items() if name.kind == KIND and data is not None}
    return changes.version, found


def _name(record: KeyRecord) -> DocumentName:
    return DocumentName(KIND, name_of(record))
