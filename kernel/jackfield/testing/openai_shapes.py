"""What the OpenAI API answers, as strict records: a field too many, too few or of another type fails the decoding.

Source: OpenAI's API reference, "Chat", "Completions", "Embeddings", "Models" and "Errors".
"""

from __future__ import annotations

import base64
import struct
from typing import Literal, TypeAlias

import msgspec

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "malformed_tool_call", "content_filter"]
"""Why a chat's answer ended; the last one is this server's own."""


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


class CompletionDetails(msgspec.Struct, frozen=True):
    """How the answers' tokens divide."""

    reasoning_tokens: int


class Usage(msgspec.Struct, frozen=True):
    """Tokens of one request."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None


class CalledFunction(msgspec.Struct, frozen=True):
    """What is called; in a stream a part of it."""

    arguments: str
    name: str | None = None


class ToolCall(msgspec.Struct, frozen=True, omit_defaults=True):
    """A call, or a part of one in a stream."""

    function: CalledFunction
    id: str | None = None
    type: Literal["function"] | None = None
    index: int | None = None


class AnswerMessage(msgspec.Struct, frozen=True):
    """The model's turn."""

    role: Literal["assistant"]
    content: str | None
    """Null where there are calls only."""
    reasoning_content: str | None = None
    tool_calls: list[ToolCall] = []


class LikelyToken(msgspec.Struct, frozen=True):
    """A token and the natural logarithm of its probability."""

    token: str
    logprob: float
    bytes: list[int] | None


class ChosenToken(LikelyToken, frozen=True):
    """A token of the answer, and the most likely ones in its place."""

    top_logprobs: list[LikelyToken]


class ChatLogprobs(msgspec.Struct, frozen=True):
    """How likely the tokens of one answer were."""

    content: list[ChosenToken] | None


class ChatChoice(msgspec.Struct, frozen=True):
    """One answer."""

    index: int
    message: AnswerMessage
    finish_reason: FinishReason
    logprobs: ChatLogprobs | None = None


class ChatCompletion(msgspec.Struct, frozen=True):
    """A whole answer of ``/v1/chat/completions``."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage
    service_tier: str | None = None


class ChunkDelta(msgspec.Struct, frozen=True):
    """What is new."""

    role: str | None = None
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[ToolCall] = []


class ChunkChoice(msgspec.Struct, frozen=True):
    """One answer's part of a chunk."""

    index: int
    delta: ChunkDelta
    finish_reason: FinishReason | None


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


class EmbeddingEntry(msgspec.Struct, frozen=True):
    """The vector of one input."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str
    """Numbers, or base64 of little-endian float32."""

    @property
    def vector(self) -> list[float]:
        """The numbers, however they were sent."""
        if isinstance(self.embedding, list):
            return self.embedding
        data = base64.b64decode(self.embedding, validate=True)
        return list(struct.unpack(f"<{len(data) // 4}f", data))


class EmbeddingUsage(msgspec.Struct, frozen=True):
    """Tokens of all inputs."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingList(msgspec.Struct, frozen=True):
    """``/v1/embeddings``."""

    object: Literal["list"]
    data: list[EmbeddingEntry]
    model: str
    usage: EmbeddingUsage


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
