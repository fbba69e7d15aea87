"""Responses, their items and their events as clients see them, for the server's description of itself."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from jackfield_openai.responses.objects import ItemStatus
from jackfield_openai.shapes import Table


class BareLogprob(msgspec.Struct, kw_only=True):
    """How likely a token was, in events."""

    token: str
    logprob: float


class BareTokenLogprob(BareLogprob, kw_only=True):
    """The same, and how likely others were."""

    top_logprobs: list[BareLogprob]


class Logprob(BareLogprob, kw_only=True):
    """How likely a token was."""

    bytes: list[int]


class TokenLogprob(Logprob, kw_only=True):
    """The same, and how likely others were."""

    top_logprobs: list[Logprob]


class OutputText(msgspec.Struct, kw_only=True, tag_field="type", tag="output_text"):
    """Text for the user."""

    text: str
    annotations: list[Table]
    logprobs: list[TokenLogprob]


class ReasoningText(msgspec.Struct, kw_only=True, tag_field="type", tag="reasoning_text"):
    """What the model thought."""

    text: str


class MessageItem(msgspec.Struct, kw_only=True, tag_field="type", tag="message"):
    """A message of the model."""

    id: str
    status: ItemStatus
    role: Literal["assistant"]
    content: list[OutputText]


class ReasoningItem(msgspec.Struct, kw_only=True, tag_field="type", tag="reasoning"):
    """Thoughts of the model."""

    id: str
    status: ItemStatus
    summary: list[Table]
    content: list[ReasoningText]
    encrypted_content: str | None


class CallItem(msgspec.Struct, kw_only=True, tag_field="type", tag="function_call"):
    """A call of a function; ``arguments`` is JSON text."""

    id: str
    status: ItemStatus
    call_id: str
    name: str
    arguments: str


OutputItem: TypeAlias = MessageItem | ReasoningItem | CallItem


class InputDetails(msgspec.Struct):
    """Of the input's tokens."""

    cached_tokens: int


class OutputDetails(msgspec.Struct):
    """Of the output's tokens."""

    reasoning_tokens: int


class ResponseUsage(msgspec.Struct, kw_only=True):
    """How many tokens it took."""

    input_tokens: int
    input_tokens_details: InputDetails
    output_tokens: int
    output_tokens_details: OutputDetails
    total_tokens: int


class ResponseError(msgspec.Struct):
    """Why a response failed."""

    code: str
    message: str


class Incomplete(msgspec.Struct):
    """Why a response is incomplete."""

    reason: Literal["max_output_tokens", "content_filter", "malformed_tool_call"]


class Reasoned(msgspec.Struct):
    """How much the model was to think."""

    effort: str | None
    summary: str | None


class Response(msgspec.Struct, kw_only=True):
    """A response."""

    id: str
    object: Literal["response"]
    created_at: int
    completed_at: int | None
    status: Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]
    model: str
    output: list[OutputItem]
    error: ResponseError | None
    incomplete_details: Incomplete | None
    usage: ResponseUsage | None
    background: bool
    instructions: str | None
    max_output_tokens: int | None
    max_tool_calls: int | None
    metadata: dict[str, str]
    parallel_tool_calls: bool
    previous_response_id: str | None
    prompt_cache_key: str | None
    reasoning: Reasoned
    safety_identifier: str | None
    service_tier: str
    store: bool
    temperature: float
    text: Table
    tool_choice: str | Table
    tools: list[Table]
    top_logprobs: int
    top_p: float
    truncation: Literal["auto", "disabled"]
    user: str | None


class _Event(msgspec.Struct, kw_only=True, tag_field="type"):
    """What all events have; numbers count from 0."""

    sequence_number: int


class _Whole(_Event, kw_only=True):
    response: Response


class Created(_Whole, kw_only=True, tag="response.created"):
    """The first event."""


class Queued(_Whole, kw_only=True, tag="response.queued"):
    """It waits, in the background."""


class InProgress(_Whole, kw_only=True, tag="response.in_progress"):
    """The model is at it."""


class Completed(_Whole, kw_only=True, tag="response.completed"):
    """The last event of an answer that is whole."""


class EndedEarly(_Whole, kw_only=True, tag="response.incomplete"):
    """The last event of an answer that is not."""


class Failed(_Whole, kw_only=True, tag="response.failed"):
    """The last event of one that broke."""


class ItemAdded(_Event, kw_only=True, tag="response.output_item.added"):
    """An item begins."""

    output_index: int
    item: OutputItem


class ItemDone(_Event, kw_only=True, tag="response.output_item.done"):
    """An item ends."""

    output_index: int
    item: OutputItem


class _InItem(_Event, kw_only=True):
    item_id: str
    output_index: int


class _InPart(_InItem, kw_only=True):
    content_index: int


class PartAdded(_InPart, kw_only=True, tag="response.content_part.added"):
    """A part of an item begins."""

    part: OutputText | ReasoningText


class PartDone(_InPart, kw_only=True, tag="response.content_part.done"):
    """A part of an item ends."""

    part: OutputText | ReasoningText


class TextDelta(_InPart, kw_only=True, tag="response.output_text.delta"):
    """More text."""

    delta: str
    logprobs: list[BareTokenLogprob]


class TextDone(_InPart, kw_only=True, tag="response.output_text.done"):
    """All of the text."""

    text: str
    logprobs: list[BareTokenLogprob]


class ReasoningDelta(_InPart, kw_only=True, tag="response.reasoning_text.delta"):
    """More thoughts."""

    delta: str


class ReasoningDone(_InPart, kw_only=True, tag="response.reasoning_text.done"):
    """All of the thoughts."""

    text: str


class ArgumentsDelta(_InItem, kw_only=True, tag="response.function_call_arguments.delta"):
    """More of a call's arguments."""

    delta: str


class ArgumentsDone(_InItem, kw_only=True, tag="response.function_call_arguments.done"):
    """All of a call's arguments."""

    arguments: str
    name: str


ResponseEvent: TypeAlias = (
    Created
    | Queued
    | InProgress
    | ItemAdded
    | PartAdded
    | TextDelta
    | TextDone
    | ReasoningDelta
    | ReasoningDone
    | ArgumentsDelta
    | ArgumentsDone
    | PartDone
    | ItemDone
    | Completed
    | EndedEarly
    | Failed
)
"""One event of a stream."""
