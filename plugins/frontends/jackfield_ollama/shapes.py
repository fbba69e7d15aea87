"""Requests and answers as clients see them, for the server's description of itself."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from jackfield.chat import JsonValue
from jackfield.frontends.tools import ToolSpec
from jackfield_ollama.bodies import (
    EmbeddingsFields,
    EmbedFields,
    GenerateFields,
    GeneratingFields,
    MessageBody,
    Options,
)

Tools: TypeAlias = list[ToolSpec]


class ChatRequest(GeneratingFields, frozen=True, kw_only=True):
    """``/api/chat``."""

    model: str
    messages: list[MessageBody] | None = None
    tools: Tools | None = None
    format: Literal["", "json"] | dict[str, JsonValue] | None = None
    options: Options | None = None


class GenerateRequest(GenerateFields, frozen=True, kw_only=True):
    """``/api/generate``."""

    model: str
    format: Literal["", "json"] | dict[str, JsonValue] | None = None
    options: Options | None = None


class EmbedRequest(EmbedFields, frozen=True, kw_only=True):
    """``/api/embed``."""

    model: str
    input: str | list[str] = ""
    options: Options | None = None


class EmbeddingsRequest(EmbeddingsFields, frozen=True, kw_only=True):
    """``/api/embeddings``."""

    model: str
    options: Options | None = None


class FunctionAnswer(msgspec.Struct, frozen=True):
    """What is called, and with what."""

    index: int
    name: str
    arguments: dict[str, JsonValue]


class CallAnswer(msgspec.Struct, frozen=True):
    """A call of a tool."""

    id: str
    function: FunctionAnswer


class MessageAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The model's turn, or a piece of it."""

    role: Literal["assistant"]
    content: str
    thinking: str | None = None
    tool_calls: list[CallAnswer] | None = None


class Likely(msgspec.Struct, frozen=True):
    """A token and the natural logarithm of its probability."""

    token: str
    logprob: float
    bytes: list[int]


class Drawn(Likely, frozen=True):
    """A token of the answer, and what else was likely."""

    top_logprobs: list[Likely]


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """What every answer and line has; the figures are in the last line only."""

    model: str
    created_at: str
    done: bool
    done_reason: str | None = None
    total_duration: int | None = None
    load_duration: int | None = None
    prompt_eval_count: int | None = None
    prompt_eval_duration: int | None = None
    eval_count: int | None = None
    eval_duration: int | None = None
    logprobs: list[Drawn] | None = None


class ChatReply(Ended, frozen=True, kw_only=True):
    """``/api/chat``."""

    message: MessageAnswer


class GenerateReply(Ended, frozen=True, kw_only=True):
    """``/api/generate``."""

    response: str
    thinking: str | None = None


class EmbedReply(msgspec.Struct, frozen=True):
    """``/api/embed``."""

    model: str
    embeddings: list[list[float]]
    total_duration: int
    load_duration: int
    prompt_eval_count: int


class EmbeddingsReply(msgspec.Struct, frozen=True):
    """``/api/embeddings``."""

    embedding: list[float]


class Details(msgspec.Struct, frozen=True):
    """What a model is."""

    parent_model: str
    format: str
    family: str
    families: list[str]
    parameter_size: str
    quantization_level: str


class Listed(msgspec.Struct, frozen=True):
    """A model of ``/api/tags``."""

    name: str
    model: str
    modified_at: str
    size: int
    digest: str
    details: Details


class Running(msgspec.Struct, frozen=True):
    """A model of ``/api/ps``."""

    name: str
    model: str
    size: int
    digest: str
    details: Details
    expires_at: str
    size_vram: int
    context_length: int


class Tags(msgspec.Struct, frozen=True):
    """``/api/tags``."""

    models: list[Listed]


class Processes(msgspec.Struct, frozen=True):
    """``/api/ps``."""

    models: list[Running]


class Shown(msgspec.Struct, frozen=True):
    """``/api/show``."""

    modelfile: str
    parameters: str
    template: str
    license: str
    modified_at: str
    details: Details
    model_info: dict[str, str | int]
    capabilities: list[str]


class Version(msgspec.Struct, frozen=True):
    """``/api/version``."""

    version: str
