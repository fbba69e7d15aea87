"""Routes and handlers of stored chat completions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.errors import RecordNotFound
from jackfield.frontends.arrays import typed
from jackfield.frontends.exchange import json_answer, read_body
from jackfield.frontends.rules import is_null
from jackfield.ports.frontend import Route
from jackfield_openai.chats import operations
from jackfield_openai.chats.records import StoredChats, shown
from jackfield_openai.metadata import Metadata
from jackfield_openai.records import tenant_of
from jackfield_openai.responses.listing import list_object, page_of, read_page

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiohttp import web

    from jackfield.context import RequestContext
    from jackfield.ports.frontend import Gateway

PATH: Final = "/v1/chat/completions"

_METADATA: Final = re.compile(r"metadata\[(.{1,64})\]")
"""A part of the query that names a key; its value follows."""

_NULL: Final = msgspec.Raw(b"null")


class _Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    metadata: Metadata | None


_CHANGE: Final = msgspec.json.Decoder(_Change)


class Chats:
    """The handlers.

    Parameters:
        gateway: Has the record store, where one is enabled.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> Sequence[Route]:
        """The paths."""
        one = PATH + "/{id}"
        return (
            Route("GET", PATH, self.listing, scope="generate", operation=operations.LIST),
            Route("GET", one, self.retrieve, scope="generate", operation=operations.RETRIEVE),
            Route("POST", one, self.change, scope="generate", operation=operations.CHANGE),
            Route("DELETE", one, self.delete, scope="generate", operation=operations.DELETE),
            Route("GET", f"{one}/messages", self.messages, scope="generate", operation=operations.MESSAGES),
        )

    async def listing(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /v1/chat/completions``: the stored ones, by model and metadata."""
        metadata, others = _filters(request.query)
        page = read_page(others, order="asc", known={"model"})
        entries, more = await self._chats(context).page(page, others.get("model"), metadata)
        data, ids = [entry.shown for entry in entries], [entry.id for entry in entries]
        return json_answer(list_object(data, ids, more=more))

    async def retrieve(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /v1/chat/completions/{id}``."""
        kept = await self._chats(context).find(request.match_info["id"])
        return json_answer(msgspec.json.encode(shown(kept)))

    async def change(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /v1/chat/completions/{id}``: other metadata."""
        asked = typed(_CHANGE, await read_body(request))
        kept = await self._chats(context).change(request.match_info["id"], asked.metadata or {})
        return json_answer(msgspec.json.encode(shown(kept)))

    async def delete(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``DELETE /v1/chat/completions/{id}``."""
        chat_id = request.match_info["id"]
        await self._chats(context).delete(chat_id)
        gone = {"object": "chat.completion.deleted", "id": chat_id, "deleted": True}
        return json_answer(msgspec.json.encode(gone))

    async def messages(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /v1/chat/completions/{id}/messages``: what its request said."""
        page = read_page(request.query, order="asc", known=())
        chat_id = request.match_info["id"]
        kept = await self._chats(context).find(chat_id)
        items = [_message(said, f"{chat_id}-{index}") for index, said in enumerate(kept.messages)]
        return json_answer(page_of(items, page))

    def _chats(self, context: RequestContext) -> StoredChats:
        records = self._gateway.records
        if records is None:
            raise RecordNotFound("this server keeps no chats: no record store is enabled", param="completion_id")
        return StoredChats(records, tenant_of(context))


def _filters(query: Mapping[str, str]) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """The metadata that the query names, and its other parameters."""
    metadata: dict[str, str] = {}
    others: dict[str, str] = {}
    for name, value in query.items():
        found = _METADATA.fullmatch(name)
        if found is not None:
            metadata[found[1]] = value
        else:
            others[name] = value
    return metadata, others


def _message(said: Mapping[str, msgspec.Raw], message_id: str) -> msgspec.Raw:
    """A message with an id; the parts of its content, where it has some, apart."""
    content = said.get("content", _NULL)
    parts = _NULL
    if bytes(content).startswith(b"["):
        content, parts = _NULL, content
    given = {name: value for name, value in said.items() if not is_null(value)}
    return msgspec.Raw(msgspec.json.encode({"id": message_id, **given, "content": content, "content_parts": parts}))
