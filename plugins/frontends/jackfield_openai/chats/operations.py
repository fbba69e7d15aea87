"""What the routes of stored chats take and answer, for the server's OpenAPI document."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from jackfield.ports.frontend import Operation, Parameter
from jackfield_openai.metadata import Metadata
from jackfield_openai.responses.operations import PAGE
from jackfield_openai.shapes import ChatCompletion, ErrorBody, ListPage, Table


class StoredChat(ChatCompletion, kw_only=True):
    """A stored answer."""

    request_id: str


class ChatList(ListPage, kw_only=True):
    """One page of stored answers."""

    data: list[StoredChat]


class StoredMessage(msgspec.Struct, kw_only=True):
    """A message of the request, with all that it had."""

    id: str
    role: str
    content: str | None
    content_parts: list[Table] | None


class MessageList(ListPage, kw_only=True):
    """One page of messages."""

    data: list[StoredMessage]


class DeletedChat(msgspec.Struct, kw_only=True):
    """A stored answer that is gone."""

    object: Literal["chat.completion.deleted"]
    id: str
    deleted: bool


class ChatChange(msgspec.Struct, kw_only=True):
    """What can be changed of a stored answer."""

    metadata: Metadata | None


_ID: Final = Parameter(name="id", where="path", required=True, description="Of the answer")

LIST: Final = Operation(
    summary="List stored chat completions",
    answer=ChatList,
    error=ErrorBody,
    parameters=(
        Parameter(name="model", description="Only those that this model answered"),
        Parameter(name="metadata[key]", description="Only those whose metadata has this value under that key"),
        *PAGE,
    ),
)
RETRIEVE: Final = Operation(summary="A stored chat completion", answer=StoredChat, error=ErrorBody, parameters=(_ID,))
CHANGE: Final = Operation(
    summary="Give a stored chat completion other metadata",
    body=ChatChange,
    example={"metadata": {"team": "search"}},
    answer=StoredChat,
    error=ErrorBody,
    parameters=(_ID,),
)
DELETE: Final = Operation(
    summary="Forget a stored chat completion", answer=DeletedChat, error=ErrorBody, parameters=(_ID,)
)
MESSAGES: Final = Operation(
    summary="What a stored chat completion was asked", answer=MessageList, error=ErrorBody, parameters=(_ID, *PAGE)
)
