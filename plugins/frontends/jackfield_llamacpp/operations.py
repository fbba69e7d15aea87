"""What each route takes and answers, for the server's OpenAPI document."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from jackfield.chat import JsonValue
from jackfield.frontends.arrays import Token
from jackfield.frontends.exchange import IGNORED
from jackfield.frontends.llama_server import Progress, Timings
from jackfield.frontends.sampling import Bias
from jackfield.ports.frontend import Operation, Parameter
from jackfield_llamacpp import fields
from jackfield_llamacpp.bodies import (
    CohereRerankBody,
    CompletionBody,
    DetokenizeBody,
    EmbeddingBody,
    InfillBody,
    PromptField,
    RerankBody,
    SlotBody,
    TemplateBody,
    TokenizeBody,
)
from jackfield_llamacpp.elsewhere import Adapter, Success
from jackfield_llamacpp.errors import ErrorBody
from jackfield_llamacpp.pooled import CohereRanking, EmbeddingEntry, JinaRanking, TeiResult
from jackfield_llamacpp.slots import Alive, Props, SlotSaved, SlotState
from jackfield_llamacpp.vocabulary import CountAnswer, DetokenizeAnswer, TemplateAnswer, TokenizeAnswer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.capabilities import Need

Table: TypeAlias = dict[str, JsonValue]
_Biases: TypeAlias = dict[str, Bias | bool] | list[tuple[Token | str, Bias | bool]]


class CompletionRequest(CompletionBody, frozen=True, kw_only=True):
    """``/completion``."""

    prompt: PromptField
    grammar: str | None = None
    json_schema: Table | None = None
    logit_bias: _Biases | None = None
    samplers: str | list[str] | None = None


class InfillRequest(InfillBody, frozen=True, kw_only=True):
    """``/infill``."""

    grammar: str | None = None
    json_schema: Table | None = None
    logit_bias: _Biases | None = None
    samplers: str | list[str] | None = None


class TemplateRequest(TemplateBody, frozen=True, kw_only=True):
    """``/apply-template``."""

    messages: Annotated[list[Table], Meta(min_length=1)]
    tools: list[Table] | None = None
    tool_choice: str | Table | None = None


class EmbeddingRequest(EmbeddingBody, frozen=True, kw_only=True):
    """``/embedding``; one of ``content`` and ``input``."""

    content: PromptField | None = None
    input: PromptField | None = None


class Logprob(msgspec.Struct):
    """How likely a token was."""

    id: int
    token: str
    bytes: list[int]
    logprob: float


class TokenLogprob(Logprob):
    """The same, and how likely others were."""

    top_logprobs: list[Logprob]


class Completion(msgspec.Struct, kw_only=True):
    """One answer, or a part of it; ``response_fields`` leaves fields out."""

    index: int | None = None
    content: str | None = None
    tokens: list[int] | None = None
    id_slot: int | None = None
    stop: bool | None = None
    model: str | None = None
    tokens_predicted: int | None = None
    tokens_evaluated: int | None = None
    generation_settings: Table | None = None
    prompt: str | None = None
    has_new_line: bool | None = None
    truncated: bool | None = None
    stop_type: Literal["none", "eos", "limit", "word"] | None = None
    stopping_word: str | None = None
    tokens_cached: int | None = None
    timings: Timings | None = None
    completion_probabilities: list[TokenLogprob] | None = None
    prompt_progress: Progress | None = None


_RERANK: Final = {"query": "What plays music?", "documents": ["A radio", "A table"]}
_SHAPING: Final[Mapping[str, Need]] = {"grammar": "structured_outputs", "json_schema": "structured_outputs"}
_MODEL: Final = Parameter(name="model", description="Its name or an alias; the default model without it.")

_with_body: Final = partial(Operation, error=ErrorBody, headers=(IGNORED,))
"""What takes a body, whose fields are screened."""


def _honoured(names: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(names))


COMPLETE: Final = _with_body(
    summary="Continue a text",
    body=CompletionRequest,
    example={"prompt": "Once upon a time", "n_predict": 16},
    answer=Completion | list[Completion],
    events=Completion,
    honoured=_honoured(fields.COMPLETION_HONOURED),
    task="generate",
    fields_need=_SHAPING,
)
INFILL: Final = _with_body(
    summary="Fill a gap in a text",
    body=InfillRequest,
    example={"input_prefix": "def add(a, b):", "input_suffix": "return c", "n_predict": 16},
    answer=Completion | list[Completion],
    events=Completion,
    honoured=_honoured(fields.INFILL_HONOURED),
    task="generate",
    needs=("infill",),
    fields_need=_SHAPING,
)
TOKENIZE: Final = _with_body(
    summary="Tokens of a text",
    body=TokenizeBody,
    example={"content": "Hello"},
    answer=TokenizeAnswer,
    honoured=_honoured(fields.TOKENIZE_HONOURED),
)
DETOKENIZE: Final = _with_body(
    summary="Text of tokens",
    body=DetokenizeBody,
    example={"tokens": [72, 105]},
    answer=DetokenizeAnswer,
    honoured=_honoured(fields.DETOKENIZE_HONOURED),
)
APPLY_TEMPLATE: Final = _with_body(
    summary="A conversation as the model reads it",
    body=TemplateRequest,
    example={"messages": [{"role": "user", "content": "Hello"}]},
    answer=TemplateAnswer,
    honoured=_honoured(fields.TEMPLATE_HONOURED),
)
COUNT: Final = _with_body(
    summary="How long a conversation is, as the model reads it",
    body=TemplateRequest,
    example={"messages": [{"role": "user", "content": "Hello"}]},
    answer=CountAnswer,
    honoured=_honoured(fields.TEMPLATE_HONOURED),
)
RERANK: Final = _with_body(
    summary="Say how well documents fit a query (Jina, TEI)",
    body=RerankBody,
    example=_RERANK,
    answer=JinaRanking | list[TeiResult],
    honoured=_honoured(fields.RERANK_HONOURED),
    task="rerank",
)
COHERE_RERANK: Final = _with_body(
    summary="Say how well documents fit a query (Cohere)",
    body=CohereRerankBody,
    example=_RERANK,
    answer=CohereRanking,
    honoured=_honoured(fields.COHERE_HONOURED),
    task="rerank",
)
EMBED: Final = _with_body(
    summary="Embed texts",
    body=EmbeddingRequest,
    example={"content": "Hello"},
    answer=list[EmbeddingEntry],
    honoured=_honoured(fields.EMBEDDING_HONOURED),
    task="embed",
)
PROPS: Final = Operation(summary="Properties of a model", answer=Props, error=ErrorBody, parameters=(_MODEL,))
CHANGE_PROPS: Final = Operation(summary="Always refused: there is nothing to change", error=ErrorBody)
METRICS: Final = Operation(summary="Always refused: metrics are on the health port", error=ErrorBody)
LIST_ADAPTERS: Final = Operation(summary="None: no adapters are loaded", answer=list[Adapter], error=ErrorBody)
SET_ADAPTERS: Final = Operation(
    summary="Refused but for an empty array: no adapters are loaded",
    body=list[Adapter],
    example=[],
    answer=Success,
    error=ErrorBody,
)
MOVED: Final = Operation(
    summary="Leads to the same path under /v1",
    status=308,
    error=ErrorBody,
    headers=(Parameter(name="Location", where="header", required=True),),
)
LIST_SLOTS: Final = Operation(
    summary="What each slot does",
    answer=list[SlotState],
    error=ErrorBody,
    parameters=(
        _MODEL,
        Parameter(name="fail_on_no_slot", description="1 answers 503 where all slots are busy."),
    ),
)
CHANGE_SLOT: Final = _with_body(
    summary="Save, restore or erase what a slot has computed",
    body=SlotBody,
    example={"filename": "conversation.bin"},
    answer=SlotSaved,
    parameters=(
        _MODEL,
        Parameter(name="id_slot", where="path", kind=int),
        Parameter(name="action", kind=Literal["save", "restore", "erase"], required=True),
    ),
    honoured=_honoured(fields.SLOT_HONOURED),
)
HEALTH: Final = Operation(summary="Whether all models serve", answer=Alive, error=ErrorBody)
