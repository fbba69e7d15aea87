"""The honoured fields of each body, and decoded requests."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from jackfield.chat import JsonValue
from jackfield.frontends.arrays import INT32_MAX
from jackfield.frontends.sampling import Seed, between
from jackfield.pooled import PoolRequest
from jackfield.types import TOP_LOGPROBS_MAX, GenerateRequest

Alternatives: TypeAlias = Annotated[int, Meta(ge=0, le=TOP_LOGPROBS_MAX)]
Length: TypeAlias = Annotated[int, Meta(ge=-2, le=INT32_MAX)]
KeepAlive: TypeAlias = float | str
Think: TypeAlias = bool | str


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """``options``, the honoured ones; null counts as absent. Ranges are checked by ``SamplingParams``."""

    temperature: Annotated[float, between(0, 2)] | None = None
    top_k: Annotated[int, Meta(ge=-1, le=INT32_MAX)] | None = None
    top_p: Annotated[float, between(0, 1)] | None = None
    min_p: Annotated[float, between(0, 1)] | None = None
    typical_p: Annotated[float, between(0, 1)] | None = None
    repeat_last_n: Annotated[int, between(-1, INT32_MAX)] | None = None
    repeat_penalty: Annotated[float, between(0.01, 100)] | None = None
    presence_penalty: Annotated[float, between(-2, 2)] | None = None
    frequency_penalty: Annotated[float, between(-2, 2)] | None = None
    mirostat: Literal[0, 1, 2] | None = None
    mirostat_tau: Annotated[float, between(0, 100)] | None = None
    mirostat_eta: Annotated[float, between(0, 1)] | None = None
    seed: Seed | None = None
    num_predict: Length | None = None
    num_ctx: Annotated[int, Meta(ge=0, le=INT32_MAX)] | None = None
    stop: str | list[str] | None = None


class KeptFields(msgspec.Struct, frozen=True, kw_only=True):
    """What all bodies have, but for the model, and for what may be long: that is read apart, within limits."""

    keep_alive: KeepAlive | None = None


class GeneratingFields(KeptFields, frozen=True, kw_only=True):
    """What chats and completions have."""

    stream: bool | None = None
    think: Think | None = None
    logprobs: bool | None = None
    top_logprobs: Alternatives | None = None


class ChatBody(GeneratingFields, frozen=True, kw_only=True):
    """``/api/chat``."""

    model: str | None = None


class GenerateFields(GeneratingFields, frozen=True, kw_only=True):
    """The honoured fields of ``/api/generate``."""

    prompt: str | None = None
    suffix: str | None = None
    system: str | None = None
    raw: bool | None = None


class GenerateBody(GenerateFields, frozen=True, kw_only=True):
    """``/api/generate``."""

    model: str | None = None


class EmbedFields(KeptFields, frozen=True, kw_only=True):
    """The honoured fields of ``/api/embed``."""

    dimensions: Annotated[int, Meta(ge=0, le=INT32_MAX)] | None = None


class EmbedBody(EmbedFields, frozen=True, kw_only=True):
    """``/api/embed``."""

    model: str | None = None


class EmbeddingsFields(KeptFields, frozen=True, kw_only=True):
    """The honoured fields of ``/api/embeddings``."""

    prompt: str | None = None


class EmbeddingsBody(EmbeddingsFields, frozen=True, kw_only=True):
    """``/api/embeddings``."""

    model: str | None = None


class ShowBody(msgspec.Struct, frozen=True, kw_only=True):
    """The honoured fields of ``/api/show``."""

    model: str | None = None
    name: str | None = None
    """What ``model`` was called before."""


class FunctionBody(msgspec.Struct, frozen=True, kw_only=True):
    """The function that was called."""

    name: str
    arguments: dict[str, JsonValue] = {}
    index: int | None = None


class CallBody(msgspec.Struct, frozen=True, kw_only=True):
    """One call of an earlier answer."""

    function: FunctionBody
    id: str = ""


class MessageBody(msgspec.Struct, frozen=True, kw_only=True):
    """One message."""

    role: str
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[CallBody] | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A decoded chat or completion."""

    model: str
    """As the gateway knows it."""
    request: GenerateRequest | None
    """None where nothing is asked of the model but to be there, or to be unloaded."""
    stream: bool
    scored: bool
    """Whether log probabilities are wanted."""
    unloads: bool = False
    """Whether the model is to be unloaded, which is refused once it is known who may ask that."""
    ignored: tuple[str, ...] = ()
    """Paths of the fields that were left out."""


class EmbedCall(msgspec.Struct, frozen=True, kw_only=True):
    """A decoded request for embeddings."""

    model: str
    request: PoolRequest | None
    """None where there is no input."""
    ignored: tuple[str, ...] = ()
    """As in ``Call``."""
