"""Stored responses, and the conversations that they make up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.errors import ContentBlocked, InvalidRequest, NoRoomLeft, RecordNotFound, http
from jackfield.ports.records import Record, StoreFull
from jackfield_openai.records import is_id, tenant_of
from jackfield_openai.responses.items import ITEMS_MAX, CallItem, CallOutputItem, Item, MessageItem, ReasoningItem
from jackfield_openai.responses.repeating import UNSAID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.context import RequestContext
    from jackfield.ports.records import RecordStore
    from jackfield_openai.responses.objects import Object

KIND: Final = "response"

DEPTH_MAX: Final = 1024
"""Most responses that one conversation is made of."""

BYTES_MAX: Final = 16 << 20
"""Most bytes of them together."""

_BLOCKED: Final = http(ContentBlocked("")).code


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a record."""

    response: dict[str, msgspec.Raw]
    input: list[msgspec.Raw]
    """The items that this request brought."""


class _Output(msgspec.Struct, frozen=True):
    """Of a response what its conversation goes on with."""

    id: str
    status: str
    output: list[msgspec.Raw]
    previous_response_id: str | None = None


class _Chained(msgspec.Struct, frozen=True):
    response: _Output
    input: list[msgspec.Raw]


class _Kind(msgspec.Struct, frozen=True):
    type: str


_KEPT: Final = msgspec.json.Decoder(Kept)
_CHAINED: Final = msgspec.json.Decoder(_Chained)
_KIND: Final = msgspec.json.Decoder(_Kind)
_ITEMS: Final[dict[str, msgspec.json.Decoder[Item]]] = {
    "message": msgspec.json.Decoder(MessageItem),
    "function_call": msgspec.json.Decoder(CallItem),
    "function_call_output": msgspec.json.Decoder(CallOutputItem),
    "reasoning": msgspec.json.Decoder(ReasoningItem),
}


class History:
    """The stored responses of one tenant.

    Parameters:
        records: Where they are.
        context: Of a request of that tenant. What guardrails mask in it is not kept, and nothing of what was said
            where they have blocked it.
    """

    def __init__(self, records: RecordStore, context: RequestContext) -> None:
        self._records = records
        self._context = context
        self._tenant = tenant_of(context)

    async def keep(self, response: Object, given: Sequence[Item], *, new: bool = True, judged: bool = True) -> None:
        """Keep a response and what was said to it.

        Parameters:
            response: As it is now.
            given: The input items of its request.
            new: Whether it was not kept before; one that was deleted meanwhile stays deleted.
            judged: Whether guardrails, where there are any, have passed what was asked. Nothing of that is kept before.

        Raises:
            NoRoomLeft: It is larger than the store.
        """
        if not judged or self._context.code == _BLOCKED:
            response, given = {**response, **UNSAID}, ()
        body = msgspec.json.encode({"response": response, "input": given})
        if self._context.masking is not None:
            body = self._context.masking.hidden_json(body)
        record = Record(
            kind=KIND,
            id=str(response["id"]),
            tenant=self._tenant,
            created=float(str(response["created_at"])),
            body=body,
        )
        try:
            await self._records.put(record, when="always" if new else "there")
        except StoreFull as error:
            raise NoRoomLeft(f"there is no room to keep this response: {error}", param="store") from error

    async def find(self, response_id: str) -> Kept:
        """A response; raises ``RecordNotFound``."""
        record = await self._record(response_id)
        if record is None:
            raise RecordNotFound("there is no such response", param="response_id")
        return _KEPT.decode(record.body)

    async def delete(self, response_id: str) -> None:
        """Forget a response; raises ``RecordNotFound``. Those that follow it cannot be continued any more."""
        if not (is_id(response_id) and await self._records.delete(KIND, response_id, self._tenant)):
            raise RecordNotFound("there is no such response", param="response_id")

    async def conversation(self, response_id: str) -> list[Item]:
        """Everything that was said up to a response, in order.

        Raises:
            InvalidRequest: There is no such response, it has not ended, or the conversation is too long.
        """
        parts: list[list[msgspec.Raw]] = []
        size = 0
        wanted: str | None = response_id
        while wanted is not None:
            record = await self._record(wanted)
            if record is None:
                raise InvalidRequest("the previous response is not there", param="previous_response_id")
            size += len(record.body)
            if len(parts) >= DEPTH_MAX or size > BYTES_MAX:
                raise InvalidRequest("the conversation is too long to go on with", param="previous_response_id")
            chained = _CHAINED.decode(record.body)
            if chained.response.status not in {"completed", "incomplete"}:
                raise InvalidRequest("the previous response has no answer", param="previous_response_id")
            parts.append([*chained.input, *chained.response.output])
            wanted = chained.response.previous_response_id
        items = [_item(raw) for part in reversed(parts) for raw in part]
        if len(items) > ITEMS_MAX:
            raise InvalidRequest("the conversation is too long to go on with", param="previous_response_id")
        return items

    async def _record(self, response_id: str) -> Record | None:
        return await self._records.get(KIND, response_id, self._tenant) if is_id(response_id) else None


def _item(raw: msgspec.Raw) -> Item:
    return _ITEMS[_KIND.decode(raw).type].decode(raw)
