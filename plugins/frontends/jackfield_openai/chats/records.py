"""What the store keeps of a chat: its answer, what was said before it, and the client's own words about it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from jackfield.errors import NoRoomLeft, RecordNotFound
from jackfield.ports.records import Record, StoreFull
from jackfield_openai.records import is_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jackfield.masking import Masking
    from jackfield.ports.records import RecordStore
    from jackfield_openai.bodies import Stored
    from jackfield_openai.responses.listing import Page

KIND: Final = "chat"

AT_ONCE: Final = 20
"""Records that a listing reads at a time: one may have megabytes."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a record."""

    completion: dict[str, msgspec.Raw]
    """The answer, as it was sent."""
    metadata: dict[str, str]
    model: str
    """Its own name."""
    request_id: str
    messages: list[dict[str, msgspec.Raw]] = []


class _Listed(msgspec.Struct, frozen=True, kw_only=True):
    """The same without what listings do not show."""

    completion: dict[str, msgspec.Raw]
    metadata: dict[str, str]
    model: str
    request_id: str


class Entry(NamedTuple):
    """One of a listing."""

    id: str
    shown: msgspec.Raw


class _Answer(msgspec.Struct, frozen=True):
    id: str
    model: str


_KEPT: Final = msgspec.json.Decoder(Kept)
_LISTED: Final = msgspec.json.Decoder(_Listed)
_ANSWER: Final = msgspec.json.Decoder(_Answer)


def shown(kept: Kept | _Listed) -> Mapping[str, object]:
    """A stored chat as clients see it: the answer, with ``metadata`` as it is now."""
    return {**kept.completion, "metadata": kept.metadata, "request_id": kept.request_id}


class StoredChats:
    """The stored chats of one tenant.

    Parameters:
        records: Where they are.
        tenant: Whose.
    """

    def __init__(self, records: RecordStore, tenant: str) -> None:
        self._records = records
        self._tenant = tenant

    async def keep(self, answer: bytes, stored: Stored, request_id: str, masking: Masking | None = None) -> None:
        """Keep a new answer.

        Parameters:
            answer: As it is, or was, sent in one object.
            stored: What its request wants to be kept besides.
            request_id: Of the request.
            masking: What guardrails have masked, which is not kept.

        Raises:
            NoRoomLeft: It is larger than the store.
        """
        known = _ANSWER.decode(answer)
        body = msgspec.json.encode(
            {
                "completion": msgspec.Raw(answer),
                "metadata": stored.metadata,
                "model": known.model,
                "request_id": request_id,
                "messages": stored.messages,
            }
        )
        if masking is not None:
            body = masking.hidden_json(body)
        # finer than the answer says it, so that listings are in order
        await self._put(known.id, time.time(), body)

    async def find(self, chat_id: str) -> Kept:
        """A chat; raises ``RecordNotFound``."""
        return _KEPT.decode((await self._record(chat_id)).body)

    async def change(self, chat_id: str, metadata: Mapping[str, str]) -> Kept:
        """Give a chat other metadata; raises ``RecordNotFound``."""
        record = await self._record(chat_id)
        kept = msgspec.structs.replace(_KEPT.decode(record.body), metadata=dict(metadata))
        if not await self._put(chat_id, record.created, msgspec.json.encode(kept), new=False):
            raise _not_found()
        return kept

    async def delete(self, chat_id: str) -> None:
        """Forget a chat; raises ``RecordNotFound``."""
        if not (is_id(chat_id) and await self._records.delete(KIND, chat_id, self._tenant)):
            raise _not_found()

    async def page(self, page: Page, model: str | None, metadata: Mapping[str, str]) -> tuple[Sequence[Entry], bool]:
        """Some chats, and whether there are more.

        Parameters:
            page: Which of them.
            model: Only those that this model answered; None is all.
            metadata: Only those that have all of this.
        """

        def wanted(kept: _Listed) -> bool:
            return model in {None, kept.model} and metadata.items() <= kept.metadata.items()

        found = await self._found(page, wanted)
        return found[: page.limit], len(found) > page.limit

    async def _found(self, page: Page, wanted: Callable[[_Listed], bool]) -> list[Entry]:
        """At least one more than the page has, where there are so many."""
        found: list[Entry] = []
        after = page.after
        while len(found) <= page.limit:
            records = await self._records.find(
                KIND, self._tenant, after=after, limit=AT_ONCE, newest_first=page.newest_first
            )
            if not records:
                break
            for record in records:
                kept = _LISTED.decode(record.body)
                if wanted(kept):
                    # encoded, for its values would hold all of the record
                    found.append(Entry(record.id, msgspec.Raw(msgspec.json.encode(shown(kept)))))
            after = records[-1].id
        return found

    async def _record(self, chat_id: str) -> Record:
        record = await self._records.get(KIND, chat_id, self._tenant) if is_id(chat_id) else None
        if record is None:
            raise _not_found()
        return record

    async def _put(self, chat_id: str, created: float, body: bytes, *, new: bool = True) -> bool:
        record = Record(kind=KIND, id=chat_id, tenant=self._tenant, created=created, body=body)
        try:
            return await self._records.put(record, when="always" if new else "there")
        except StoreFull as error:
            raise NoRoomLeft(f"there is no room to keep this chat: {error}", param="store") from error


def _not_found() -> RecordNotFound:
    return RecordNotFound("there is no such chat completion", param="completion_id")
