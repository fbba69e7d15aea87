"""The honoured fields of each body, and a decoded request."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from jackfield.chat import JsonValue  # noqa: TC001 -- msgspec reads it
from jackfield.frontends.arrays import INT32_MAX, Token
from jackfield.frontends.sampling import SamplingBody
from jackfield.pooled import PoolRequest
from jackfield.types import CHOICES_MAX, TOP_LOGPROBS_MAX, GenerateRequest
from jackfield_openai.metadata import Metadata  # noqa: TC001 -- msgspec reads it

Count: TypeAlias = Annotated[int, Meta(ge=1, le=INT32_MAX)]
CountOrNone: TypeAlias = Annotated[int, Meta(ge=0, le=INT32_MAX)]
Limit: TypeAlias = Annotated[int, Meta(ge=-1, le=INT32_MAX)]
"""-1 is none."""
Choices: TypeAlias = Annotated[int, Meta(ge=1, le=CHOICES_MAX)]
Alternatives: TypeAlias = Annotated[int, Meta(ge=0, le=TOP_LOGPROBS_MAX)]


Budget: TypeAlias = Annotated[int, Meta(ge=-1, le=INT32_MAX)]
"""Tokens of thoughts; -1 is no limit."""
Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Tier: TypeAlias = Literal["auto", "default", "flex", "priority", "scale"]


class StreamOptions(msgspec.Struct, frozen=True):
    """``stream_options``."""

    include_usage: bool | None = None
    continuous_usage_stats: bool | None = None
    """vLLM's: every chunk says what was used so far."""
    include_obfuscation: bool | None = None
    """Whether the length of a chunk says nothing of the length of its text. OpenAI's default is true, ours false."""


class ReasoningBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``reasoning``: the form of OpenAI's Responses and of routers."""

    effort: Effort | None = None
    max_tokens: Budget | None = None
    enabled: bool | None = None
    exclude: bool | None = None


class ThinkingBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``thinking``: the form of DeepSeek's, GLM's and Kimi's own servers."""

    type: Literal["enabled", "disabled", "auto"]
    budget_tokens: Budget | None = None


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
    timings_per_token: bool | None = None
    """llama-server's: whether the end of the answer says where the time went."""
    n_predict: Limit | None = None
    """llama-server's name for ``max_tokens``; -1 is none."""
    id_slot: Annotated[int, Meta(ge=-1, le=INT32_MAX)] | None = None
    """llama-server's: where the first answer is to be computed; -1 leaves it open."""
    n_indent: CountOrNone | None = None
    """llama-server's: the answer ends before a line that is indented by less."""
    t_max_predict_ms: Annotated[int, Meta(ge=-1, le=INT32_MAX)] | None = None
    """llama-server's: the answer ends with the first line that ends so late; -1 and 0 are no limit."""
    return_progress: bool | None = None
    """llama-server's: whether the stream says how far the prompt is computed."""
    include_stop_str_in_output: bool | None = None
    """vLLM's: whether the stop string that ended an answer is a part of it."""
    sse_ping_interval: Annotated[int, Meta(ge=-1, le=INT32_MAX)] | None = None
    """llama-server's: seconds of silence before a comment; -1 has none."""
    user: str | None = None


class ChatBody(SharedBody, frozen=True, kw_only=True):
    """The honoured fields of ``/v1/chat/completions``."""

    max_tokens: Limit | None = None
    max_completion_tokens: Count | None = None
    logprobs: bool | None = None
    top_logprobs: Alternatives | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: Effort | None = None
    reasoning: ReasoningBody | None = None
    thinking: ThinkingBody | None = None
    enable_thinking: bool | None = None
    include_reasoning: bool | None = None
    reasoning_budget_tokens: Budget | None = None
    thinking_budget_tokens: Budget | None = None
    thinking_token_budget: Budget | None = None
    thinking_budget: Budget | None = None
    chat_template_kwargs: dict[str, JsonValue] | None = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None
    service_tier: Tier | None = None
    prompt_cache_key: str | None = None
    store: bool | None = None
    metadata: Metadata | None = None
    documents: list[JsonValue] | None = None
    """vLLM's: what templates that know of documents put before the answer."""
    echo: bool | None = None
    """vLLM's: whether the answer begins with the assistant's message that it follows."""
    safety_identifier: str | None = None


class CompletionBody(SharedBody, frozen=True, kw_only=True):
    """The honoured fields of ``/v1/completions``."""

    max_tokens: Limit | None = None
    """0 only with ``echo``: what the prompt's own tokens are worth."""
    logprobs: Alternatives | None = None
    """OpenAI allows 5; evaluation harnesses and other servers go further."""
    echo: bool | None = None
    best_of: Choices | None = None
    suffix: str | None = None


class EmbeddingBody(msgspec.Struct, frozen=True, kw_only=True):
    """The honoured fields of ``/v1/embeddings``, but for ``input``."""

    model: str | None = None
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Count | None = None
    normalize: bool | None = None
    """vLLM's: false leaves vectors as long as the model makes them."""
    user: str | None = None


class Stored(msgspec.Struct, frozen=True):
    """What is kept with an answer that is kept."""

    messages: msgspec.Raw
    """As they were sent."""
    metadata: dict[str, str]


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A decoded chat or completion."""

    requests: tuple[GenerateRequest, ...]
    """One for each prompt, alike in all else. Choice ``i`` of prompt ``p`` has the index ``p * n + i``."""
    stream: bool
    include_usage: bool
    """Whether the stream ends with a usage chunk; without a stream it says nothing."""
    continuous_usage: bool = False
    """Whether every chunk says what was used so far."""
    tier: str | None = None
    """``service_tier``, where the client set it; the answer then says which one served it."""
    timings: bool = False
    """Whether the end of the answer says where the time went."""
    keep: int | None = None
    """How many of each prompt's answers are sent, the best ones; None sends all."""
    scores_kept: bool = True
    """Whether log probabilities are sent where they are computed; false where they only find the best answers."""
    functions: bool = False
    """Whether tools were given as ``functions``, so that calls are answered as ``function_call``."""
    reasoning_shown: bool = True
    """Whether thoughts are sent."""
    begun: str = ""
    """The text that the answer begins with, before what the model writes."""
    stops_shown: bool = False
    """Whether the stop string that ended an answer is a part of it."""
    obfuscated: bool = False
    """Whether the length of a chunk says nothing of the length of its text."""
    keepalive_s: float | None = None
    """Seconds of silence before a comment; None takes what is configured."""
    documents: bool = False
    """Whether the model's template must know of documents."""
    metadata: dict[str, str] | None = None
    """What the client says about the answer, which repeats it."""
    stored: Stored | None = None
    """What is kept with the answer; None keeps nothing."""
    user: str = ""
    """Whom the client names as its own user."""
    ignored: tuple[str, ...] = ()
    """Paths of the fields that were left out; only mode ``warn`` has any."""

    @property
    def choices(self) -> int:
        """How many answers are computed."""
        return len(self.requests) * self.requests[0].n


class EmbeddingCall(msgspec.Struct, frozen=True, kw_only=True):
    """A decoded request for embeddings."""

    request: PoolRequest
    base64: bool
    """Whether vectors are sent as base64 of their little-endian float32, not as numbers."""
    user: str = ""
    """As in ``Call``."""
    ignored: tuple[str, ...] = ()
    """As in ``Call``."""
