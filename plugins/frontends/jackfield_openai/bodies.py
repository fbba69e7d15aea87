"""The honoured fields of each body, and a decoded request."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from jackfield.chat import JsonValue
from jackfield.frontends.arrays import INT32_MAX, Token
from jackfield.frontends.sampling import SamplingBody
from jackfield.pooled import PoolRequest
from jackfield.types import CHOICES_MAX, TOP_LOGPROBS_MAX, GenerateRequest

Count: TypeAlias = Annotated[int, Meta(ge=1, le=INT32_MAX)]
CountOrNone: TypeAlias = Annotated[int, Meta(ge=0, le=INT32_MAX)]
Choices: TypeAlias = Annotated[int, Meta(ge=1, le=CHOICES_MAX)]
Alternatives: TypeAlias = Annotated[int, Meta(ge=0, le=TOP_LOGPROBS_MAX)]


class StreamOptions(msgspec.Struct, frozen=True):
    """``stream_options``."""

    include_usage: bool | None = None


class SharedBody(SamplingBody, frozen=True, kw_only=True):
    """The honoured fields that chats and completions have; null counts as absent.

    What may be long is read apart, within limits: ``messages``, ``prompt``, ``logit_bias``, and what the answer must
    look like.
    """

    model: str | None = None
    stop: str | list[str] | None = None
    stop_token_ids: list[Token] | None = None
    ignore_eos: bool | None = None
    min_tokens: CountOrNone | None = None
    n: Choices | None = None
    priority: int | None = None
    cache_prompt: bool | None = None
    cache_salt: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None


class ChatBody(SharedBody, frozen=True, kw_only=True):
    """The honoured fields of ``/v1/chat/completions``."""

    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    logprobs: bool | None = None
    top_logprobs: Alternatives | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: str | None = None
    reasoning_budget_tokens: Annotated[int, Meta(ge=-1, le=INT32_MAX)] | None = None
    """llama-server's; -1 is no limit."""
    chat_template_kwargs: dict[str, JsonValue] | None = None
    continue_final_message: bool | None = None
    service_tier: str | None = None
    """Judged by its rule; read here because a set one is answered."""


class CompletionBody(SharedBody, frozen=True, kw_only=True):
    """The honoured fields of ``/v1/completions``."""

    max_tokens: CountOrNone | None = None
    """0 only with ``echo``: what the prompt's own tokens are worth."""
    logprobs: Alternatives | None = None
    """OpenAI allows 5; evaluation harnesses and other servers go further."""
    echo: bool | None = None
    best_of: Choices | None = None


class EmbeddingBody(msgspec.Struct, frozen=True, kw_only=True):
    """The honoured fields of ``/v1/embeddings``, but for ``input``."""

    model: str | None = None
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Count | None = None


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A decoded chat or completion."""

    requests: tuple[GenerateRequest, ...]
    """One for each prompt, alike in all else. Choice ``i`` of prompt ``p`` has the index ``p * n + i``."""
    stream: bool
    include_usage: bool
    """Whether the stream ends with a usage chunk; without a stream it says nothing."""
    names_tier: bool = False
    """Whether the client set ``service_tier``; the answer then says which one served it."""
    ignored: tuple[str, ...] = ()
    """Paths of the fields that were left out; only mode ``warn`` has any."""

    @property
    def choices(self) -> int:
        """How many answers there will be."""
        return len(self.requests) * self.requests[0].n


class EmbeddingCall(msgspec.Struct, frozen=True, kw_only=True):
    """A decoded request for embeddings."""

    request: PoolRequest
    base64: bool
    """Whether vectors are sent as base64 of their little-endian float32, not as numbers."""
    ignored: tuple[str, ...] = ()
    """As in ``Call``."""
