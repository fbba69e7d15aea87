"""The honoured fields of each body, and a decoded request."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from jackfield.frontends.arrays import INT32_MAX
from jackfield.frontends.tools import null
from jackfield.types import STOP_LENGTH_MAX, GenerateRequest

Stop: TypeAlias = Annotated[str, Meta(min_length=1, max_length=STOP_LENGTH_MAX)]
Count: TypeAlias = Annotated[int, Meta(ge=1, le=INT32_MAX)]
Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]


Effort: TypeAlias = Literal["low", "medium", "high", "xhigh", "max"]


class ThinkingBody(msgspec.Struct, frozen=True, kw_only=True):
    """``thinking``."""

    type: str
    budget_tokens: Count | None = None
    display: Literal["summarized", "omitted"] | None = None


class FormatBody(msgspec.Struct, frozen=True, kw_only=True):
    """``output_config.format``, which was ``output_format`` before."""

    type: Literal["json_schema"]
    schema: msgspec.Raw


class OutputBody(msgspec.Struct, frozen=True, kw_only=True):
    """``output_config``."""

    effort: Effort | None = None
    format: FormatBody | None = None


class ChoiceBody(msgspec.Struct, frozen=True, kw_only=True):
    """``tool_choice``."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class MetadataBody(msgspec.Struct, frozen=True, kw_only=True):
    """``metadata``."""

    user_id: str | None = None


class ToolBody(msgspec.Struct, frozen=True, kw_only=True):
    """``tools[]``."""

    name: str
    type: str | None = None
    description: str | None = None
    input_schema: msgspec.Raw = msgspec.field(default_factory=null)
    strict: bool | None = None


class PromptFields(msgspec.Struct, frozen=True, kw_only=True):
    """The honoured fields that both routes have, but for what may be long: that is read apart, within limits."""

    thinking: ThinkingBody | None = None
    tool_choice: ChoiceBody | None = None
    output_config: OutputBody | None = None
    output_format: FormatBody | None = None


class PromptBody(PromptFields, frozen=True, kw_only=True):
    """``/v1/messages/count_tokens``; null counts as absent."""

    model: str | None = None


class MessagesFields(PromptFields, frozen=True, kw_only=True):
    """The honoured fields that ``/v1/messages`` has besides."""

    temperature: Share | None = None
    top_p: Share | None = None
    top_k: Annotated[int, Meta(ge=0, le=INT32_MAX)] | None = None
    stop_sequences: list[Stop] | None = None
    stream: bool | None = None
    metadata: MetadataBody | None = None


class MessagesBody(MessagesFields, frozen=True, kw_only=True):
    """``/v1/messages``; null counts as absent."""

    model: str | None = None
    max_tokens: Count | None = None


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A decoded request of ``/v1/messages``."""

    request: GenerateRequest
    max_tokens: int
    stream: bool
    shows_thoughts: bool
    """Whether the text of thoughts is sent; without it they are a block without text."""
    user: str = ""
    """``metadata.user_id``."""
    ignored: tuple[str, ...] = ()
    """Paths of the fields that were left out."""
