"""Requests, answers and events as clients see them, for the server's description of itself."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from jackfield_anthropic.blocks import BlockBody
from jackfield_anthropic.bodies import Count, MessagesFields, PromptFields, ToolBody


class MessageParam(msgspec.Struct, frozen=True):
    """One message."""

    role: Literal["user", "assistant", "system"]
    content: str | list[BlockBody]


class CountRequest(PromptFields, frozen=True, kw_only=True):
    """``/v1/messages/count_tokens``."""

    model: str
    messages: list[MessageParam]
    system: str | list[BlockBody] | None = None
    tools: list[ToolBody] | None = None


class MessageRequest(MessagesFields, frozen=True, kw_only=True):
    """``/v1/messages``."""

    model: str
    messages: list[MessageParam]
    max_tokens: Count
    system: str | list[BlockBody] | None = None
    tools: list[ToolBody] | None = None


class Counted(msgspec.Struct, frozen=True):
    """How many tokens a conversation has."""

    input_tokens: int


class TextBlock(msgspec.Struct, frozen=True, tag_field="type", tag="text"):
    """Text for the user."""

    text: str


class ThinkingBlock(msgspec.Struct, frozen=True, tag_field="type", tag="thinking"):
    """What the model thought."""

    thinking: str
    signature: str


class ToolUseBlock(msgspec.Struct, frozen=True, tag_field="type", tag="tool_use"):
    """A call of a tool."""

    id: str
    name: str
    input: dict[str, msgspec.Raw]


Block: TypeAlias = TextBlock | ThinkingBlock | ToolUseBlock


class UsageAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one answer."""

    input_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    output_tokens: int
    service_tier: str | None = None


class StopDetails(msgspec.Struct, frozen=True):
    """Why an answer ended, where no reason says it."""

    type: str


class End(msgspec.Struct, frozen=True, kw_only=True):
    """Why an answer ended."""

    stop_reason: str | None
    stop_sequence: str | None
    stop_details: StopDetails | None = None


class MessageAnswer(End, frozen=True, kw_only=True, tag_field="type", tag="message"):
    """A whole answer."""

    id: str
    role: Literal["assistant"]
    model: str
    content: list[Block]
    usage: UsageAnswer


class MessageStart(msgspec.Struct, frozen=True, tag_field="type", tag="message_start"):
    """The first event."""

    message: MessageAnswer


class Ping(msgspec.Struct, frozen=True, tag_field="type", tag="ping"):
    """Says nothing."""


class BlockStart(msgspec.Struct, frozen=True, tag_field="type", tag="content_block_start"):
    """A block begins."""

    index: int
    content_block: Block


class TextPart(msgspec.Struct, frozen=True, tag_field="type", tag="text_delta"):
    """More text."""

    text: str


class ThinkingPart(msgspec.Struct, frozen=True, tag_field="type", tag="thinking_delta"):
    """More thoughts."""

    thinking: str


class SignaturePart(msgspec.Struct, frozen=True, tag_field="type", tag="signature_delta"):
    """Ends thoughts; always empty."""

    signature: str


class InputPart(msgspec.Struct, frozen=True, tag_field="type", tag="input_json_delta"):
    """More of a call's arguments."""

    partial_json: str


class BlockDelta(msgspec.Struct, frozen=True, tag_field="type", tag="content_block_delta"):
    """More of a block."""

    index: int
    delta: TextPart | ThinkingPart | SignaturePart | InputPart


class BlockStop(msgspec.Struct, frozen=True, tag_field="type", tag="content_block_stop"):
    """A block ends."""

    index: int


class MessageDelta(msgspec.Struct, frozen=True, tag_field="type", tag="message_delta"):
    """Why the answer ended, and what it took."""

    delta: End
    usage: UsageAnswer


class MessageStop(msgspec.Struct, frozen=True, tag_field="type", tag="message_stop"):
    """The last event."""


Event: TypeAlias = MessageStart | Ping | BlockStart | BlockDelta | BlockStop | MessageDelta | MessageStop
