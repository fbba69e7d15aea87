"""Answers as clients see them, for the server's description of itself.

Shapes of OpenAI's API description 2.3.0, as ``answers``, ``embeddings`` and ``models`` encode them.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from jackfield.capabilities import Capabilities
from jackfield.chat import JsonValue
from jackfield.frontends.llama_server import Progress, Timings
from jackfield.types import FinishReason

Table: TypeAlias = dict[str, JsonValue]
ChatFinishReason: TypeAlias = FinishReason | Literal["function_call"]


class Logprob(msgspec.Struct, kw_only=True):
    """How likely a token was."""

    token: str
    logprob: float
    bytes: list[int]


class TokenLogprob(Logprob, kw_only=True):
    """The same, and how likely others were."""

    top_logprobs: list[Logprob]


class ChatLogprobs(msgspec.Struct, kw_only=True):
    """Log probabilities of a chat's answer."""

    content: list[TokenLogprob]
    refusal: None


class CalledFunction(msgspec.Struct, kw_only=True):
    """The function that is called; ``arguments`` is JSON text, or a part of it."""

    arguments: str
    name: str | None = None


class Call(msgspec.Struct, kw_only=True):
    """A call, or a part of one."""

    function: CalledFunction
    id: str | None = None
    type: Literal["function"] | None = None
    index: int | None = None


class AnswerMessage(msgspec.Struct, kw_only=True):
    """The model's message."""

    role: Literal["assistant"]
    content: str | None
    refusal: None
    annotations: list[Table]
    reasoning_content: str | None = None
    tool_calls: list[Call] | None = None
    function_call: CalledFunction | None = None


class Delta(msgspec.Struct, kw_only=True):
    """A part of the model's message."""

    role: Literal["assistant"] | None = None
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[Call] | None = None
    function_call: CalledFunction | None = None


class ChatChoice(msgspec.Struct, kw_only=True):
    """One answer."""

    index: int
    message: AnswerMessage
    finish_reason: ChatFinishReason
    logprobs: ChatLogprobs | None
    stop_reason: int | str | None = None


class ChunkChoice(msgspec.Struct, kw_only=True):
    """A part of one answer."""

    index: int
    delta: Delta
    finish_reason: ChatFinishReason | None
    logprobs: ChatLogprobs | None
    stop_reason: int | str | None = None


class PromptDetails(msgspec.Struct, kw_only=True):
    """Of the prompt's tokens."""

    cached_tokens: int
    audio_tokens: int


class CompletionDetails(msgspec.Struct, kw_only=True):
    """Of the answers' tokens."""

    reasoning_tokens: int
    audio_tokens: int
    accepted_prediction_tokens: int
    rejected_prediction_tokens: int


class Usage(msgspec.Struct, kw_only=True):
    """How many tokens it took."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails
    completion_tokens_details: CompletionDetails


class ChatCompletion(msgspec.Struct, kw_only=True):
    """Answers to a chat."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage
    system_fingerprint: str | None = None
    service_tier: str | None = None
    timings: Timings | None = None
    metadata: dict[str, str] | None = None


class ChatCompletionChunk(msgspec.Struct, kw_only=True):
    """A part of the answers to a chat."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: Usage | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None
    timings: Timings | None = None
    prompt_progress: Progress | None = None
    obfuscation: str | None = None


class TextLogprobs(msgspec.Struct, kw_only=True):
    """Four lists with one entry a token."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


class TextChoice(msgspec.Struct, kw_only=True):
    """One answer, or a part of it."""

    index: int
    text: str
    finish_reason: FinishReason | None
    logprobs: TextLogprobs | None
    stop_reason: int | str | None = None


class Completion(msgspec.Struct, kw_only=True):
    """Answers to prompts, or a part of them."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[TextChoice]
    usage: Usage | None = None
    system_fingerprint: str | None = None
    timings: Timings | None = None
    prompt_progress: Progress | None = None
    obfuscation: str | None = None


class Embedding(msgspec.Struct, kw_only=True):
    """One vector: numbers, or base64 of their little-endian float32."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingUsage(msgspec.Struct, kw_only=True):
    """How many tokens were read."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingList(msgspec.Struct, kw_only=True):
    """Vectors, in the order of the inputs."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: EmbeddingUsage


class Model(msgspec.Struct, kw_only=True):
    """A model, and what is known of it."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    type: Literal["model"]
    display_name: str
    created_at: str
    max_input_tokens: int | None
    aliases: list[str]
    ready: bool
    context_length: int | None
    description: str | None
    capabilities: Capabilities | None
    tasks: list[str] | None
    modalities: list[str] | None
    architecture: str | None
    parameters: int | None
    quantisation: str | None
    size_bytes: int | None
    memory_bytes: int | None
    context_train: int | None
    vocabulary: int | None
    embedding_size: int | None
    n_experts: int | None
    n_experts_used: int | None


class ModelList(msgspec.Struct, kw_only=True):
    """The models that the caller may use."""

    object: Literal["list"]
    data: list[Model]
    has_more: Literal[False]
    first_id: str | None
    last_id: str | None


class ListPage(msgspec.Struct, kw_only=True):
    """One page of a list, whose ``data`` differ."""

    object: Literal["list"]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DroppedStream(msgspec.Struct, kw_only=True):
    """A stream that was cancelled and forgotten."""

    id: str
    object: Literal["stream"]
    deleted: bool


class Problem(msgspec.Struct, kw_only=True):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(msgspec.Struct, kw_only=True):
    """Body of every error."""

    error: Problem
