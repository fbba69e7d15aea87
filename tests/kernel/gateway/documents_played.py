"""A policy store and what goes by its documents, as tests need them."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from jackfield.errors import InvalidRequest, JackfieldError, StoreUnavailable
from jackfield.ports.policy_store import Changes, DocumentName, VersionConflict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.ports.policy_store import Documents


class Shelf:
    """What several stores share."""

    def __init__(self) -> None:
        self.version = 0
        self.rows: dict[DocumentName, tuple[int, bytes | None]] = {}

    def put(self, kind: str, name: str, content: bytes | None) -> None:
        """Somebody else writes."""
        self.version += 1
        self.rows[DocumentName(kind, name)] = (self.version, content)


class PlayedStore:
    """A store that fails when it is told to."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.failure: Exception | None = None
        self.hangs = False
        self.conflicts = 0
        self.closed = False
        self.reads = 0

    async def since(self, version: int) -> Changes:
        """See ``PolicyStore``."""
        self.reads += 1
        await self._play()
        rows = {name: content for name, (at, content) in self.shelf.rows.items() if at > version}
        return Changes(version=self.shelf.version, documents=rows)

    async def change(self, version: int, documents: Mapping[DocumentName, bytes | None]) -> int:
        """See ``PolicyStore``."""
        await self._play()
        if self.conflicts:
            self.conflicts -= 1
            self.shelf.put("other", "one", b"%d" % self.conflicts)
        await asyncio.sleep(0)
        if version != self.shelf.version:
            raise VersionConflict
        self.shelf.version += 1
        self.shelf.rows |= {name: (self.shelf.version, content) for name, content in documents.items()}
        return self.shelf.version

    async def close(self) -> None:
        """See ``PolicyStore``."""
        self.closed = True

    async def _play(self) -> None:
        if self.failure is not None:
            raise self.failure
        if self.hangs:
            await asyncio.Event().wait()


class Reader:
    """Goes by documents; those with ``bad`` in them cannot be used."""

    def __init__(self, kind: str = "limit") -> None:
        self.document_kind = kind
        self.documents: Documents | None = None
        self.adopted: list[dict[str, object]] = []
        self.failure: Exception | None = None
        self.hangs = False
        self.troubles: list[str] = []

    @property
    def now(self) -> dict[str, object]:
        """What it goes by."""
        return self.adopted[-1]

    def governed(self, documents: Documents) -> None:
        """See ``Governed``."""
        self.documents = documents

    async def check(self, documents: Mapping[str, bytes]) -> None:
        """See ``Governed``."""
        for name, content in documents.items():
            if b"bad" in content:
                raise InvalidRequest(f"{name} is bad", param=f"{self.document_kind}/{name}")

    async def adopt(self, documents: Mapping[str, bytes]) -> None:
        """See ``Governed``."""
        if self.failure is not None:
            raise self.failure
        if self.hangs:
            await asyncio.Event().wait()
        self.adopted.append({name: json.loads(content) for name, content in documents.items()})


def away() -> JackfieldError:
    """What a store that cannot be reached raises."""
    return StoreUnavailable("the cable is cut")
