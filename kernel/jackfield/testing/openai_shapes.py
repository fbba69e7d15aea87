"""What the OpenAI API answers, as strict records: a field too many, too few or of another type fails the decoding.

Source: OpenAI's API reference, "Chat", "Completions", "Models" and "Errors".
"""

from __future__ import annotations

from typing import Literal

import msgspec


class ErrorBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What went wrong; all four fields are always there."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorEnvelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An error as a body or as an event of a stream."""

    error: ErrorBody


class PromptDetails(msgspec.Struct, frozen=True):
    """How the prompt's tokens divide."""

    cached_tokens: int


class Usage(msgspec.Struct, frozen=True):
    """Tokens of one request."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails | None = None


class AnswerMessage(msgspec.Struct, frozen=True):
    """The model's turn."""

    role: Literal["assistant"]
    content: str


class ChatChoice(msgspec.Struct, frozen=True):
    """One answer."""

    index: int
    message: AnswerMessage
    finish_reason: Literal["stop", "length"]


class ChatCompletion(msgspec.Struct, frozen=True):
    """A whole answer of ``/v1/chat/completions``."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage


class ChunkDelta(msgspec.Struct, frozen=True):
    """What is new."""

    role: str | None = None
    content: str | None = None


class ChunkChoice(msgspec.Struct, frozen=True):
    """One answer's part of a chunk."""

    index: int
    delta: ChunkDelta
    finish_reason: Literal["stop", "length"] | None


class ChatChunk(msgspec.Struct, frozen=True):
    """One event of a streamed answer."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: Usage | None = None


class TextChoice(msgspec.Struct, frozen=True):
    """One continuation of a text."""

    index: int
    text: str
    finish_reason: Literal["stop", "length"]


class TextCompletion(msgspec.Struct, frozen=True):
    """A whole answer of ``/v1/completions``."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[TextChoice]
    usage: Usage


class ModelEntry(msgspec.Struct, frozen=True):
    """One model of ``/v1/models``; servers add fields of their own."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(msgspec.Struct, frozen=True):
    """``/v1/models``."""

    object: Literal["list"]
    data: list[ModelEntry]
