"""A policy store in memory, and the kernel's side of objects that go by its documents."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jackfield.ports.policy_store import Changes, DocumentName, VersionConflict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.ports.policy_store import Governed, Rewrite


class Kept:
    """Documents of one kind; several objects may go by them. Implements ``Documents``."""

    def __init__(self) -> None:
        self.documents: dict[str, bytes] = {}
        self.objects: list[Governed] = []
        self.writes = 0
        self._turn = asyncio.Lock()

    async def govern(self, *objects: Governed) -> None:
        """*objects* go by it from now on."""
        for each in objects:
            each.governed(self)
            await each.adopt(self.documents)
            self.objects.append(each)

    async def rewrite(self, rewrite: Rewrite) -> None:
        """See ``Documents``."""
        async with self._turn:
            changed = rewrite(self.documents)
            if changed:
                after = {name: data for name, data in {**self.documents, **changed}.items() if data is not None}
                await self.put(after)

    async def put(self, documents: Mapping[str, bytes]) -> None:
        """Have *documents* adopted, as if somebody else had written them."""
        for each in self.objects:
            await each.check(documents)
        self.documents = dict(documents)
        self.writes += 1
        for each in self.objects:
            await each.adopt(self.documents)


class MemoryStore:
    """A policy store that several may open at once."""

    def __init__(self) -> None:
        self.version = 0
        self.documents: dict[DocumentName, bytes] = {}
        self.opened = 0
        self.conflicts = 0
        """So many changes more find that somebody was faster."""

    def open(self) -> MemoryStore:
        """A factory."""
        self.opened += 1
        return self

    async def since(self, version: int) -> Changes:
        """Everything."""
        return Changes(version=self.version, documents=dict(self.documents))

    async def change(self, version: int, documents: Mapping[DocumentName, bytes | None]) -> int:
        """All of it, or nothing."""
        assert len(documents) <= 1000
        if self.conflicts:
            self.conflicts -= 1
            self.version += 1
        if version != self.version:
            raise VersionConflict
        self.documents |= {name: data for name, data in documents.items() if data is not None}
        self.version += 1
        return self.version

    async def close(self) -> None:
        """One user less."""
        self.opened -= 1
