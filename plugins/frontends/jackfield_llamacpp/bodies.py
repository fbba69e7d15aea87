"""The honoured fields of each body; where null is allowed, it counts as absent.

Names and defaults are those of llama-server's ``tools/server/README.md`` and ``server-schema.cpp``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta

from jackfield.chat import JsonValue
from jackfield.frontends.arrays import INT32_MAX, Token
from jackfield.frontends.sampling import SamplingBody
from jackfield.types import CHOICES_MAX, TOP_LOGPROBS_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping

Limit: TypeAlias = Annotated[int, Meta(ge=-1, le=INT32_MAX)]
Piece: TypeAlias = str | Token
Texts: TypeAlias = Annotated[list[str], Meta(min_length=1)]

SAMPLING_DEFAULTS: Final[Mapping[str, float]] = {
    "temperature": 0.8,
    "top_k": 40,
    "top_p": 0.95,
    "min_p": 0.05,
    "dry_penalty_last_n": 64,
}
"""What llama-server draws with where neither request nor model says anything; the rest is off there as here."""

OF_ANSWERS: Final = frozenset(
    {
        *SamplingBody.__struct_fields__,
        *("cache_prompt", "id_slot", "ignore_eos", "logit_bias", "logprobs", "max_completion_tokens", "max_tokens"),
        *("n", "n_predict", "n_probs", "samplers", "stop", "stream", "stream_options", "top_logprobs", "user"),
    }
)
"""Fields of conversations that say how they are answered, and nothing of how they are read."""


class PromptObject(msgspec.Struct, frozen=True):
    """A prompt with media."""

    prompt_string: str
    multimodal_data: list[str] = []


PromptField: TypeAlias = str | PromptObject | list[str | Token | PromptObject | list[Piece]]
"""A text, tokens, both mixed, or an array of such prompts. An array with a number in it is one prompt."""


class SharedBody(SamplingBody, frozen=True, kw_only=True):
    """What ``/completion`` and ``/infill`` have in common."""

    model: str | None = None
    n_predict: Limit | None = None
    max_tokens: Limit | None = None
    """Another name of ``n_predict``."""
    max_completion_tokens: Limit | None = None
    """Another one."""
    n_cmpl: Annotated[int, Meta(ge=1, le=CHOICES_MAX)] | None = None
    n: Annotated[int, Meta(ge=1, le=CHOICES_MAX)] | None = None
    """Another name of ``n_cmpl``."""
    n_indent: Annotated[int, Meta(ge=0, le=INT32_MAX)] | None = None
    t_max_predict_ms: Annotated[int, Meta(ge=-1, le=INT32_MAX)] | None = None
    stream: bool | None = None
    stop: list[str] | str | None = None
    ignore_eos: bool | None = None
    n_probs: Annotated[int, Meta(ge=0, le=TOP_LOGPROBS_MAX)] | None = None
    logprobs: Annotated[int, Meta(ge=0, le=TOP_LOGPROBS_MAX)] | None = None
    """Another name of ``n_probs``."""
    cache_prompt: bool | None = None
    id_slot: Limit | None = None
    return_tokens: bool | None = None
    return_progress: bool | None = None
    timings_per_token: bool | None = None
    response_fields: list[str] | None = None
    sse_ping_interval: Annotated[int, Meta(ge=-1, le=3600)] | None = None


class CompletionBody(SharedBody, frozen=True, kw_only=True):
    """``/completion``, but for what is read apart."""


class ExtraFile(msgspec.Struct, frozen=True):
    """One element of ``input_extra``."""

    text: str
    filename: str = "tmp"


class InfillBody(SharedBody, frozen=True, kw_only=True):
    """``/infill``, but for what is read apart."""

    input_prefix: str
    input_suffix: str
    input_extra: list[ExtraFile] | None = None
    prompt: str | None = None


class TokenizeBody(msgspec.Struct, frozen=True, kw_only=True):
    """``/tokenize``."""

    content: str | list[Piece] = ""
    model: str | None = None
    add_special: bool | None = None
    parse_special: bool | None = None
    with_pieces: bool | None = None


class DetokenizeBody(msgspec.Struct, frozen=True, kw_only=True):
    """``/detokenize``."""

    tokens: list[Token] = []
    model: str | None = None


class TemplateBody(msgspec.Struct, frozen=True, kw_only=True):
    """``/apply-template``, but for what is read apart."""

    model: str | None = None
    parallel_tool_calls: bool | None = None
    chat_template_kwargs: dict[str, JsonValue] | None = None
    continue_final_message: bool | None = None


class SlotBody(msgspec.Struct, frozen=True, kw_only=True):
    """``/slots/{id}``."""

    filename: str | None = None
    model: str | None = None


class Document(msgspec.Struct, frozen=True):
    """A document as an object."""

    text: str


class RerankBody(msgspec.Struct, frozen=True, kw_only=True):
    """``/rerank`` of Jina and TEI; ``texts`` makes it TEI's."""

    query: str
    documents: list[str | Document] | None = None
    texts: list[str] | None = None
    model: str | None = None
    top_n: Annotated[int, Meta(ge=1, le=INT32_MAX)] | None = None
    return_documents: bool | None = None
    return_text: bool | None = None
    raw_scores: bool | None = None


class CohereRerankBody(msgspec.Struct, frozen=True, kw_only=True):
    """``/v2/rerank``."""

    query: str
    documents: list[str]
    model: str | None = None
    top_n: Annotated[int, Meta(ge=1, le=INT32_MAX)] | None = None


class EmbeddingBody(msgspec.Struct, frozen=True, kw_only=True):
    """``/embedding``, but for what is read apart."""

    model: str | None = None
    embd_normalize: Annotated[int, Meta(ge=-1, le=INT32_MAX)] | None = None
