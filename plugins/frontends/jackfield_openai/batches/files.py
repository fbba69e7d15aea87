"""Stored files: a record that describes each, and one with its bytes, which goes with it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.errors import NoRoomLeft, RecordNotFound
from jackfield.ports.records import PAGE_MAX, Record, StoreFull
from jackfield_openai.records import is_id, new_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.ports.records import RecordStore

KIND: Final = "file"
CONTENT: Final = "file_content"
NAME_MAX: Final = 255
"""Longest file name, in characters."""


class File(msgspec.Struct, frozen=True, kw_only=True):
    """OpenAI's ``File``."""

    id: str
    object: str = "file"
    bytes: int
    created_at: int
    expires_at: int | None = None
    filename: str
    purpose: str
    status: str = "processed"


_FILE: Final = msgspec.json.Decoder(File)


class Files:
    """The files of one tenant.

    Parameters:
        records: Where they are.
        tenant: Whose.
    """

    def __init__(self, records: RecordStore, tenant: str) -> None:
        self._records = records
        self._tenant = tenant

    async def add(
        self, content: bytes, filename: str, purpose: str, *, lives_s: int | None = None, file_id: str = ""
    ) -> File:
        """Keep a file.

        Parameters:
            content: Its bytes.
            filename: As its sender calls it.
            purpose: What it is for.
            lives_s: Seconds after which it goes.
            file_id: Its id; a file that has it already is replaced. Empty makes a new one.

        Raises:
            NoRoomLeft: There is no room for it.
        """
        now = int(time.time())
        made = File(
            id=file_id or new_id("file-"),
            bytes=len(content),
            created_at=now,
            expires_at=None if lives_s is None else now + lives_s,
            # what was no UTF-8 in the form's header cannot be written to JSON either
            filename=filename[:NAME_MAX].encode(errors="replace").decode(),
            purpose=purpose,
        )
        try:
            await self._put(KIND, made, msgspec.json.encode(made))
            await self._put(CONTENT, made, content, parent=made.id)
        except StoreFull as error:
            await self._records.delete(KIND, made.id, self._tenant)
            raise NoRoomLeft(f"there is no room for this file: {error}", param="file") from error
        return made

    async def find(self, file_id: str) -> File:
        """A file; raises ``RecordNotFound``."""
        record = await self._records.get(KIND, file_id, self._tenant) if is_id(file_id) else None
        if record is None:
            raise RecordNotFound("there is no such file", param="file_id")
        return _FILE.decode(record.body)

    async def content(self, file_id: str) -> bytes:
        """Its bytes; raises ``RecordNotFound``."""
        record = await self._records.get(CONTENT, file_id, self._tenant) if is_id(file_id) else None
        if record is None:
            raise RecordNotFound("there is no such file", param="file_id")
        return record.body

    async def delete(self, file_id: str) -> None:
        """Forget a file; raises ``RecordNotFound``."""
        if not (is_id(file_id) and await self._records.delete(KIND, file_id, self._tenant)):
            raise RecordNotFound("there is no such file", param="file_id")

    async def page(self, *, purpose: str | None, after: str, limit: int, newest_first: bool) -> Sequence[File]:
        """Files in order of their time; those of one purpose, where that is asked."""
        found: list[File] = []
        while len(found) < limit:
            page = await self._records.find(KIND, self._tenant, after=after, limit=PAGE_MAX, newest_first=newest_first)
            if not page:
                break
            files = (_FILE.decode(record.body) for record in page)
            found += [file for file in files if purpose in {None, file.purpose}]
            after = page[-1].id
        return found[:limit]

    async def _put(self, kind: str, file: File, body: bytes, *, parent: str = "") -> None:
        expires = None if file.expires_at is None else float(file.expires_at)
        await self._records.put(
            Record(
                kind=kind,
                id=file.id,
                tenant=self._tenant,
                created=float(file.created_at),
                expires=expires,
                parent=parent,
                body=body,
            )
        )
