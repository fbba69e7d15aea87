"""What each route takes and answers, for the server's OpenAPI document.

Bodies are the decoders' own, with the fields that are read apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from jackfield.frontends.arrays import Token
from jackfield.frontends.exchange import IGNORED
from jackfield.frontends.messages import MessageBody
from jackfield.frontends.sampling import Bias
from jackfield.frontends.tools import NamedFunction
from jackfield.ports.frontend import Operation, Parameter
from jackfield_openai import fields
from jackfield_openai.bodies import ChatBody, CompletionBody, EmbeddingBody
from jackfield_openai.headers import WORK
from jackfield_openai.shapes import (
    ChatCompletion,
    ChatCompletionChunk,
    Completion,
    DroppedStream,
    EmbeddingList,
    ErrorBody,
    Model,
    ModelList,
    Table,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.capabilities import Need

Biases: TypeAlias = dict[str, Bias | bool] | list[tuple[Token | str, Bias | bool]]
Prompt: TypeAlias = str | Annotated[list[Token | str | list[Token]], Meta(min_length=1)]


class Function(msgspec.Struct, kw_only=True):
    """A function that may be called."""

    name: str
    description: str | None = None
    parameters: Table | None = None
    """A JSON Schema."""
    strict: bool | None = None


class FunctionTool(msgspec.Struct, kw_only=True):
    """A tool."""

    function: Function
    type: Literal["function"] = "function"


class AllowedTools(msgspec.Struct, kw_only=True):
    """The tools that may be called, of those that are given."""

    tools: list[FunctionTool]
    mode: Literal["auto", "required"] = "auto"


class NamedChoice(msgspec.Struct, kw_only=True):
    """The tool that has to be called, or the tools that may be."""

    type: Literal["function", "allowed_tools"] = "function"
    function: NamedFunction | None = None
    allowed_tools: AllowedTools | None = None


class ResponseFormat(msgspec.Struct, kw_only=True):
    """What the answer must look like."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: Table | None = None
    schema: Table | None = None


class Shaping(msgspec.Struct, kw_only=True):
    """The fields that say what the answer must look like; at most one of them may."""

    response_format: ResponseFormat | None = None
    structured_outputs: Table | None = None
    grammar: str | None = None
    json_schema: Table | str | None = None
    regex: str | None = None
    ebnf: str | None = None
    guided_json: Table | str | None = None
    guided_regex: str | None = None
    guided_choice: list[str] | None = None
    guided_grammar: str | None = None
    logit_bias: Biases | None = None


class _ChatExtra(msgspec.Struct, kw_only=True):
    messages: Annotated[list[MessageBody], Meta(min_length=1)]
    tools: list[FunctionTool] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedChoice | None = None
    functions: list[Function] | None = None
    function_call: Literal["none", "auto"] | NamedFunction | None = None


class EmbeddingRequest(EmbeddingBody, frozen=True, kw_only=True):
    """Texts to embed, and how."""

    input: Prompt


def _united(name: str, *parts: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """One Struct with the fields of *parts*, required ones first."""
    found = [each for part in parts for each in msgspec.structs.fields(part)]
    required = [(each.name, each.type) for each in found if each.required]
    others = [(each.name, each.type, each.default) for each in found if not each.required]
    made: type[msgspec.Struct] = msgspec.defstruct(name, [*required, *others], kw_only=True)
    return made


ChatRequest: Final = _united("ChatRequest", _ChatExtra, ChatBody, Shaping)
CompletionRequest: Final = _united(
    "CompletionRequest", msgspec.defstruct("_Prompted", [("prompt", Prompt)]), CompletionBody, Shaping
)

_SHAPED: Final[Mapping[str, Need]] = dict.fromkeys(fields.SHAPING, "structured_outputs")
_CALLED: Final[Mapping[str, Need]] = dict.fromkeys(
    ("function_call", "functions", "parallel_tool_calls", "tool_choice", "tools"), "tools"
)
_REASONED: Final[Mapping[str, Need]] = dict.fromkeys(
    (
        "enable_thinking",
        "include_reasoning",
        "reasoning",
        "reasoning_budget_tokens",
        "reasoning_effort",
        "thinking",
        "thinking_budget",
        "thinking_budget_tokens",
        "thinking_token_budget",
    ),
    "reasoning",
)

STREAM: Final = Parameter(
    name="x-jackfield-stream", where="header", description="Where a stream can be taken up again, where it can"
)

LIST_MODELS: Final = Operation(summary="List models", answer=ModelList, error=ErrorBody)
SHOW_MODEL: Final = Operation(summary="What is known of a model", answer=Model, error=ErrorBody)
CHAT: Final = Operation(
    summary="Answer a conversation",
    body=ChatRequest,
    example={"model": "demo", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 16},
    answer=ChatCompletion,
    headers=(IGNORED, *WORK, STREAM),
    events=ChatCompletionChunk,
    events_end="[DONE]",
    error=ErrorBody,
    honoured=tuple(sorted(fields.CHAT_HONOURED)),
    task="generate",
    needs=("chat",),
    fields_need={**_SHAPED, **_CALLED, **_REASONED, "documents": "documents", "store": "records"},
)
COMPLETE: Final = Operation(
    summary="Continue a text",
    body=CompletionRequest,
    example={"model": "demo", "prompt": "Once upon a time", "max_tokens": 16},
    answer=Completion,
    headers=(IGNORED, *WORK, STREAM),
    events=Completion,
    events_end="[DONE]",
    error=ErrorBody,
    honoured=tuple(sorted(fields.COMPLETION_HONOURED)),
    task="generate",
    fields_need={**_SHAPED, "suffix": "infill"},
)
EMBED: Final = Operation(
    summary="Embed texts",
    body=EmbeddingRequest,
    example={"model": "demo", "input": "Hello"},
    answer=EmbeddingList,
    headers=(IGNORED, *WORK),
    error=ErrorBody,
    honoured=tuple(sorted(fields.EMBEDDING_HONOURED)),
    task="embed",
    fields_need={"dimensions": "matryoshka"},
)

_STREAM: Final = Parameter(name="id", where="path", required=True, description="From the header x-jackfield-stream")
RESUME: Final = Operation(
    summary="Take a stream up again",
    answer_content="text/event-stream",
    headers=WORK,
    events=Table,  # of whichever route began it
    events_end="[DONE]",
    error=ErrorBody,
    parameters=(
        _STREAM,
        Parameter(name="after", kind=int, description="Number of the last event that the client has"),
        Parameter(name="Last-Event-ID", where="header", description="The same"),
    ),
)
CANCEL: Final = Operation(summary="Cancel a stream", answer=DroppedStream, error=ErrorBody, parameters=(_STREAM,))
