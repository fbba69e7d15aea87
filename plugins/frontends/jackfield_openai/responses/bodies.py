"""The honoured fields of ``/v1/responses``, and a decoded request."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from jackfield.chat import JsonValue, Thinking, Tool, ToolChoice
from jackfield.frontends.arrays import INT32_MAX
from jackfield.frontends.sampling import SamplingBody
from jackfield.frontends.tools import null
from jackfield.ports.constraint import Constraint
from jackfield.sampling import SamplingParams
from jackfield.types import TOP_LOGPROBS_MAX
from jackfield_openai.bodies import Tier  # noqa: TC001 -- msgspec reads it
from jackfield_openai.metadata import Metadata  # noqa: TC001 -- msgspec reads it


class ReasoningBody(msgspec.Struct, frozen=True):
    """``reasoning``."""

    effort: str | None = None
    summary: str | None = None


class FormatBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``text.format``."""

    type: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    description: str | None = None
    schema: msgspec.Raw = msgspec.field(default_factory=null)
    strict: bool | None = None
    """Every schema is enforced, whatever it says."""


class TextBody(msgspec.Struct, frozen=True):
    """``text``."""

    format: FormatBody | None = None


class ResponseBody(SamplingBody, frozen=True, kw_only=True):
    """What is read with the body; null counts as absent."""

    model: str | None = None
    instructions: str | None = None
    max_output_tokens: Annotated[int, Meta(ge=1, le=INT32_MAX)] | None = None
    max_tool_calls: Annotated[int, Meta(ge=1)] | None = None
    previous_response_id: str | None = None
    store: bool | None = None
    stream: bool | None = None
    background: bool | None = None
    metadata: Metadata | None = None
    parallel_tool_calls: bool | None = None
    include: list[str] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=TOP_LOGPROBS_MAX)] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    reasoning: ReasoningBody | None = None
    text: TextBody | None = None
    chat_template_kwargs: dict[str, JsonValue] | None = None
    priority: int | None = None
    service_tier: Tier | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None


class ResponseCall(msgspec.Struct, frozen=True, kw_only=True):
    """A decoded request, whose input is still to be read: references need what is remembered."""

    body: ResponseBody
    model: str
    input: msgspec.Raw
    sampling: SamplingParams
    tools: tuple[Tool, ...]
    tool_choice: ToolChoice
    thinking: Thinking
    constraint: Constraint | None
    logprobs: int | None
    echoed: dict[str, msgspec.Raw]
    """Fields that the answer repeats as they came."""
    ignored: tuple[str, ...] = ()
    """Paths of the fields that were left out; only mode ``warn`` has any."""
