"""What each route takes and answers, for the server's OpenAPI document.

Bodies are the decoders' own, with the fields that are read apart; answers are the shapes of OpenAI's API description
2.3.0 as ``answers``, ``embeddings`` and ``models`` encode them.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from jackfield.capabilities import Capabilities
from jackfield.chat import JsonValue
from jackfield.frontends.arrays import Token
from jackfield.frontends.messages import MessageBody
from jackfield.frontends.sampling import Bias
from jackfield.frontends.tools import NamedFunction
from jackfield.ports.frontend import Operation, Parameter
from jackfield.types import FinishReason
from jackfield_openai import fields
from jackfield_openai.bodies import ChatBody, CompletionBody, EmbeddingBody

Table: TypeAlias = dict[str, JsonValue]
Biases: TypeAlias = dict[str, Bias | bool] | list[tuple[Token | str, Bias | bool]]
ChatFinishReason: TypeAlias = FinishReason | Literal["function_call"]
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


def _united(name: str, *parts: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """One Struct with the fields of *parts*, required ones first."""
    found = [each for part in parts for each in msgspec.structs.fields(part)]
    required = [(each.name, each.type) for each in found if each.required]
    others = [(each.name, each.type, each.default) for each in found if not each.required]
    made: type[msgspec.Struct] = msgspec.defstruct(name, [*required, *others], kw_only=True)
    return made


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


class CompletionDetails(msgspec.Struct, kw_only=True):
    """Of the answers' tokens."""

    reasoning_tokens: int


class Usage(msgspec.Struct, kw_only=True):
    """How many tokens it took."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails
    completion_tokens_details: CompletionDetails


class Timings(msgspec.Struct, kw_only=True):
    """Where the time went."""

    cache_n: int
    prompt_n: int
    prompt_ms: float
    prompt_per_token_ms: float
    prompt_per_second: float
    predicted_n: int
    predicted_ms: float
    predicted_per_token_ms: float
    predicted_per_second: float


class ChatCompletion(msgspec.Struct, kw_only=True):
    """Answers to a chat."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage
    service_tier: str | None = None
    timings: Timings | None = None


class ChatCompletionChunk(msgspec.Struct, kw_only=True):
    """A part of the answers to a chat."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: Usage | None = None
    service_tier: str | None = None
    timings: Timings | None = None


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
    timings: Timings | None = None


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
    aliases: list[str]
    ready: bool
    context_length: int | None
    description: str | None
    capabilities: Capabilities | None
    tasks: list[str] | None
    modalities: list[str] | None


class ModelList(msgspec.Struct, kw_only=True):
    """The models that the caller may use."""

    object: Literal["list"]
    data: list[Model]


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


ChatRequest: Final = _united("ChatRequest", _ChatExtra, ChatBody, Shaping)
CompletionRequest: Final = _united(
    "CompletionRequest", msgspec.defstruct("_Prompted", [("prompt", Prompt)]), CompletionBody, Shaping
)
EmbeddingRequest: Final = _united("EmbeddingRequest", msgspec.defstruct("_Input", [("input", Prompt)]), EmbeddingBody)

LIST_MODELS: Final = Operation(summary="List models", answer=ModelList, error=ErrorBody)
SHOW_MODEL: Final = Operation(summary="What is known of a model", answer=Model, error=ErrorBody)
CHAT: Final = Operation(
    summary="Answer a conversation",
    body=ChatRequest,
    example={"model": "demo", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 16},
    answer=ChatCompletion,
    events=ChatCompletionChunk,
    error=ErrorBody,
    honoured=tuple(sorted(fields.CHAT_HONOURED)),
    task="generate",
)
COMPLETE: Final = Operation(
    summary="Continue a text",
    body=CompletionRequest,
    example={"model": "demo", "prompt": "Once upon a time", "max_tokens": 16},
    answer=Completion,
    events=Completion,
    error=ErrorBody,
    honoured=tuple(sorted(fields.COMPLETION_HONOURED)),
    task="generate",
)
EMBED: Final = Operation(
    summary="Embed texts",
    body=EmbeddingRequest,
    example={"model": "demo", "input": "Hello"},
    answer=EmbeddingList,
    error=ErrorBody,
    honoured=tuple(sorted(fields.EMBEDDING_HONOURED)),
    task="embed",
)

_STREAM: Final = Parameter(name="id", where="path", required=True, description="From the header x-jackfield-stream")
RESUME: Final = Operation(
    summary="Take a stream up again",
    answer_content="text/event-stream",
    events=Table,  # of whichever route began it
    error=ErrorBody,
    parameters=(
        _STREAM,
        Parameter(name="after", kind=int, description="Number of the last event that the client has"),
        Parameter(name="Last-Event-ID", where="header", description="The same"),
    ),
)
CANCEL: Final = Operation(summary="Cancel a stream", answer=DroppedStream, error=ErrorBody, parameters=(_STREAM,))
