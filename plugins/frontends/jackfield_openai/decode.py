"""JSON bodies to ``GenerateRequest``. No I/O; whatever comes in, the result is a request or a ``ClientError``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, TypeAlias, TypeVar

import msgspec
from msgspec import Meta

from jackfield.errors import InvalidRequest, UnsupportedField
from jackfield.types import (
    SEED_MAX,
    ChatPrompt,
    GenerateRequest,
    Prompt,
    SamplingParams,
    TextPrompt,
    TokenPrompt,
)
from jackfield_openai import fields
from jackfield_openai.errors import not_of_kind
from jackfield_openai.messages import read_messages
from jackfield_openai.rules import Mode, Names, NamesDecoder, Screening, is_null

if TYPE_CHECKING:
    from collections.abc import Sequence

Body = TypeVar("Body")
Item = TypeVar("Item")

_INT32_MAX: Final = 2**31 - 1
"""Token ids and counts are 32-bit in every backend; more is a mistake."""

_BRACKET: Final = ord("[")

Count: TypeAlias = Annotated[int, Meta(ge=1, le=_INT32_MAX)]
Token: TypeAlias = Annotated[int, Meta(ge=0, le=_INT32_MAX)]
Seed: TypeAlias = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""OpenAI documents a signed 64-bit seed."""


class StreamOptions(msgspec.Struct, frozen=True):
    """``stream_options``."""

    include_usage: bool | None = None


class SharedBody(msgspec.Struct, frozen=True, kw_only=True):
    """The honoured fields that both bodies have; null counts as absent.

    What to continue is read apart: ``messages`` within limits, ``prompt`` by its many shapes.
    """

    model: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: Annotated[int, Meta(ge=0, le=_INT32_MAX)] | None = None
    min_p: float | None = None
    seed: Seed | None = None
    stop: str | list[str] | None = None
    max_tokens: Count | None = None
    ignore_eos: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None


class ChatBody(SharedBody, frozen=True, kw_only=True):
    """The honoured fields of ``/v1/chat/completions``."""

    max_completion_tokens: Count | None = None
    service_tier: str | None = None
    """Judged by its rule; read here because a set one is answered."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A decoded request."""

    request: GenerateRequest
    stream: bool
    include_usage: bool
    """Whether the stream ends with a usage chunk; without a stream it says nothing."""
    names_tier: bool = False
    """Whether the client set ``service_tier``; the answer then says which one served it."""
    ignored: tuple[str, ...] = ()
    """Paths of the fields that were left out; only mode ``warn`` has any."""


_NAMES: Final = NamesDecoder(Names)
_CHAT: Final = msgspec.json.Decoder(ChatBody)
_COMPLETION: Final = msgspec.json.Decoder(SharedBody)
_TEXT: Final = msgspec.json.Decoder(str)
_TEXTS: Final = msgspec.json.Decoder(list[str])
_TOKENS: Final[msgspec.json.Decoder[list[int]]] = msgspec.json.Decoder(list[Token])
_TOKEN_LISTS: Final[msgspec.json.Decoder[list[list[int]]]] = msgspec.json.Decoder(list[list[Token]])


def decode_chat(data: bytes, mode: Mode) -> Call:
    """Decode a body of ``/v1/chat/completions``.

    Parameters:
        data: The body as it came.
        mode: What becomes of fields that cannot be honoured.

    Raises:
        MalformedBody: Not a JSON object.
        InvalidRequest: ``param`` is the path of the field at fault.
    """
    names = _NAMES.decode(data)
    screening = Screening(mode)
    screening.screen(names, fields.CHAT_HONOURED, fields.CHAT)
    body = _typed(_CHAT, data)
    prompt = ChatPrompt(read_messages(_required(names, "messages"), screening))
    limit = _limit(body.max_tokens, body.max_completion_tokens)
    call = _call(body, prompt, limit, names, screening)
    return msgspec.structs.replace(call, names_tier=body.service_tier is not None)


def decode_completion(data: bytes, mode: Mode) -> Call:
    """Decode a body of ``/v1/completions``; parameters and errors as in ``decode_chat``."""
    names = _NAMES.decode(data)
    screening = Screening(mode)
    screening.screen(names, fields.COMPLETION_HONOURED, fields.COMPLETION)
    body = _typed(_COMPLETION, data)
    return _call(body, _prompt(_required(names, "prompt")), body.max_tokens, names, screening)


def _typed(decoder: msgspec.json.Decoder[Body], data: bytes | msgspec.Raw, path: str = "") -> Body:
    try:
        return decoder.decode(data)
    except (msgspec.ValidationError, UnicodeDecodeError) as error:
        raise not_of_kind(error, path) from error


def _find(names: Names, wanted: str) -> msgspec.Raw | None:
    return next((raw for name, raw in names.items() if str(name) == wanted), None)


def _required(names: Names, wanted: str) -> msgspec.Raw:
    raw = _find(names, wanted)
    if raw is None or is_null(raw):
        raise InvalidRequest(f"{wanted} is required", param=wanted)
    return raw


def _call(body: SharedBody, prompt: Prompt, limit: int | None, names: Names, screening: Screening) -> Call:
    if not body.model:
        raise InvalidRequest("model is required", param="model")
    options = _find(names, "stream_options")
    if options is not None and body.stream_options is not None:
        screening.screen(
            _NAMES.decode(options, "stream_options"),
            fields.STREAM_OPTIONS_HONOURED,
            fields.STREAM_OPTIONS,
            "stream_options.",
        )
    request = GenerateRequest(
        model=body.model,
        prompt=prompt,
        sampling=_sampling(body),
        max_tokens=limit,
        stop=_stop(body.stop),
        ignore_eos=bool(body.ignore_eos),
    )
    return Call(
        request=request,
        stream=bool(body.stream),
        include_usage=body.stream_options is not None and bool(body.stream_options.include_usage),
        ignored=tuple(screening.ignored),
    )


def _sampling(body: SharedBody) -> SamplingParams:
    return SamplingParams(
        temperature=1.0 if body.temperature is None else body.temperature,
        top_p=1.0 if body.top_p is None else body.top_p,
        top_k=body.top_k or 0,
        min_p=body.min_p or 0.0,
        # folding keeps OpenAI's promise for its whole range: the same seed gives the same draw
        seed=None if body.seed is None else body.seed % SEED_MAX,
    )


def _stop(stop: str | list[str] | None) -> tuple[str, ...]:
    if stop is None:
        return ()
    return (stop,) if isinstance(stop, str) else tuple(stop)


def _limit(old: int | None, new: int | None) -> int | None:
    if old is not None and new is not None and old != new:
        raise InvalidRequest(
            "max_tokens and max_completion_tokens differ; give one of them", param="max_completion_tokens"
        )
    return old if new is None else new


def _prompt(raw: msgspec.Raw) -> Prompt:
    if memoryview(raw)[0] != _BRACKET:
        return TextPrompt(_typed(_TEXT, raw, "prompt"))
    texts = _accepted(_TEXTS, raw)
    if texts:
        return TextPrompt(_only(texts))
    lists = _accepted(_TOKEN_LISTS, raw)
    if lists:
        return TokenPrompt(tuple(_only(lists)))
    tokens: list[int] = _typed(_TOKENS, raw, "prompt")
    return TokenPrompt(tuple(tokens))


def _only(prompts: Sequence[Item]) -> Item:
    if len(prompts) > 1:
        raise UnsupportedField("prompt: several prompts in one request are not served; send one each", param="prompt")
    return prompts[0]


def _accepted(decoder: msgspec.json.Decoder[Body], raw: msgspec.Raw) -> Body | None:
    try:
        return decoder.decode(raw)
    except (msgspec.ValidationError, UnicodeDecodeError):
        return None
