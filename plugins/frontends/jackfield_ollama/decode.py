"""JSON bodies to requests. No I/O; whatever comes in, the result is a request or a ``ClientError``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.chat import ChatPrompt, Message, Thinking
from jackfield.errors import InvalidRequest
from jackfield.frontends.arrays import typed
from jackfield.frontends.prompts import read_prompts
from jackfield.frontends.rules import Mode, Names, NamesDecoder, Screening, present
from jackfield.frontends.tools import read_schema, read_tools
from jackfield.pooled import PoolRequest
from jackfield.ports.constraint import JsonObject, JsonSchema
from jackfield.types import GenerateRequest, InfillPrompt, TextPrompt
from jackfield_ollama import fields
from jackfield_ollama.bodies import (
    Call,
    ChatBody,
    EmbedBody,
    EmbedCall,
    EmbeddingsBody,
    GenerateBody,
    ShowBody,
)
from jackfield_ollama.messages import read_messages
from jackfield_ollama.names import find_model
from jackfield_ollama.options import read_options, unloads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    from jackfield.frontends.rules import Rules
    from jackfield.ports.constraint import Constraint
    from jackfield.ports.frontend import ModelCard
    from jackfield.types import Prompt
    from jackfield_ollama.bodies import GeneratingFields, KeptFields, Think

Given: TypeAlias = "Mapping[str, msgspec.Raw]"
"""The fields of a body that are not null, as they were sent."""

_NAMES: Final = NamesDecoder(Names)
_CHAT: Final = msgspec.json.Decoder(ChatBody)
_GENERATE: Final = msgspec.json.Decoder(GenerateBody)
_EMBED: Final = msgspec.json.Decoder(EmbedBody)
_EMBEDDINGS: Final = msgspec.json.Decoder(EmbeddingsBody)
_SHOW: Final = msgspec.json.Decoder(ShowBody)
_TEXT: Final = msgspec.json.Decoder(str)

_STRING: Final = ord('"')

_LEVELS: Final = ("low", "medium", "high", "max")
"""How much is thought."""


def decode_chat(data: bytes, mode: Mode, cards: Sequence[ModelCard]) -> Call:
    """Decode a body of ``/api/chat``.

    Parameters:
        data: The body as it came.
        mode: What becomes of fields that cannot be honoured.
        cards: The models that there are.

    Raises:
        MalformedBody: Not a JSON object.
        ModelNotFound: No such model.
        InvalidRequest: ``param`` is the path of the field at fault.
    """
    given, screening = _screened(data, mode, fields.CHAT_HONOURED, fields.CHAT)
    body = typed(_CHAT, data)
    card = find_model(body.model, cards)
    messages = read_messages(given["messages"], screening) if "messages" in given else ()
    if not messages:
        return _nothing(body, card, screening)
    prompt = ChatPrompt(
        messages,
        tools=read_tools(given.get("tools")),
        thinking=_thinking(body.think),
        continue_final=messages[-1].role == "assistant" and not messages[-1].tool_calls,
    )
    return _call(body, card, prompt, given, screening)


def decode_generate(data: bytes, mode: Mode, cards: Sequence[ModelCard]) -> Call:
    """Decode a body of ``/api/generate``; parameters and errors as in ``decode_chat``."""
    given, screening = _screened(data, mode, fields.GENERATE_HONOURED, fields.GENERATE)
    body = typed(_GENERATE, data)
    card = find_model(body.model, cards)
    if not body.prompt:
        return _nothing(body, card, screening)
    return _call(body, card, _prompt(body, body.prompt), given, screening)


def decode_embed(data: bytes, mode: Mode, cards: Sequence[ModelCard]) -> EmbedCall:
    """Decode a body of ``/api/embed``; parameters and errors as in ``decode_chat``."""
    given, screening = _screened(data, mode, fields.EMBED_HONOURED, fields.EMBED)
    body = typed(_EMBED, data)
    card = find_model(body.model, cards)
    _keep(body, screening)
    read_options(given.get("options"), screening, card.context)
    raw = given.get("input")
    if raw is None or bytes(raw).translate(None, b" \t\r\n") in {b"[]", b'""'}:
        return EmbedCall(model=card.name, request=None, ignored=tuple(screening.ignored))
    inputs = read_prompts(raw, "input")
    for index, each in enumerate(inputs):
        if isinstance(each, TextPrompt) and not each.text:
            raise InvalidRequest(f"input[{index}] must not be empty", param=f"input[{index}]")
    request = PoolRequest(model=card.name, task="embed", inputs=inputs, dimensions=body.dimensions or None)
    return EmbedCall(model=card.name, request=request, ignored=tuple(screening.ignored))


def decode_embeddings(data: bytes, mode: Mode, cards: Sequence[ModelCard]) -> EmbedCall:
    """Decode a body of ``/api/embeddings``; parameters and errors as in ``decode_chat``."""
    given, screening = _screened(data, mode, fields.EMBEDDINGS_HONOURED, {})
    body = typed(_EMBEDDINGS, data)
    card = find_model(body.model, cards)
    _keep(body, screening)
    read_options(given.get("options"), screening, card.context)
    request = body.prompt and PoolRequest(
        model=card.name, task="embed", inputs=(TextPrompt(body.prompt),), normalize=False
    )
    return EmbedCall(model=card.name, request=request or None, ignored=tuple(screening.ignored))


def decode_show(data: bytes, mode: Mode, cards: Sequence[ModelCard]) -> tuple[ModelCard, tuple[str, ...]]:
    """Decode a body of ``/api/show``; parameters and errors as in ``decode_chat``.

    Returns:
        The model, and the paths of the fields that were left out.
    """
    _, screening = _screened(data, mode, fields.SHOW_HONOURED, fields.SHOW)
    body = typed(_SHOW, data)
    return find_model(body.model or body.name, cards), tuple(screening.ignored)


def _screened(data: bytes, mode: Mode, honoured: frozenset[str], rules: Rules) -> tuple[Given, Screening]:
    names = _NAMES.decode(data)
    screening = Screening(mode)
    screening.screen(names, honoured, rules)
    return present(names), screening


def _keep(body: KeptFields, screening: Screening) -> None:
    if unloads(body.keep_alive):
        screening.unsupported("keep_alive", tunes=True)


def _nothing(body: GeneratingFields, card: ModelCard, screening: Screening) -> Call:
    """A request without a prompt asks that the model be loaded, or, with ``keep_alive`` 0, unloaded."""
    return Call(
        model=card.name,
        request=None,
        unloads=unloads(body.keep_alive),
        stream=body.stream is not False,
        scored=False,
        ignored=tuple(screening.ignored),
    )


def _call(body: GeneratingFields, card: ModelCard, prompt: Prompt, given: Given, screening: Screening) -> Call:
    _keep(body, screening)
    drawing = read_options(given.get("options"), screening, card.context)
    request = GenerateRequest(
        model=card.name,
        prompt=prompt,
        sampling=drawing.sampling,
        max_tokens=drawing.max_tokens,
        stop=drawing.stop,
        logprobs=_alternatives(body),
        constraint=_shape(given.get("format")),
    )
    return Call(
        model=card.name,
        request=request,
        stream=body.stream is not False,
        scored=request.logprobs is not None,
        ignored=tuple(screening.ignored),
    )


def _prompt(body: GenerateBody, text: str) -> Prompt:
    if body.suffix:
        if body.system or body.think:
            raise InvalidRequest("suffix does not go with system or think", param="suffix")
        return InfillPrompt(text, body.suffix)
    if body.raw:
        if body.system or body.think:
            raise InvalidRequest("raw does not go with system or think", param="raw")
        return TextPrompt(text)
    system = (Message("system", body.system),) if body.system else ()
    return ChatPrompt((*system, Message("user", text)), thinking=_thinking(body.think))


def _thinking(think: Think | None) -> Thinking:
    if think is None:
        return Thinking()
    if isinstance(think, bool):
        return Thinking(enabled=think, param="think")
    if think not in _LEVELS:
        raise InvalidRequest(f"think must be true, false, or one of {', '.join(_LEVELS)}", param="think")
    return Thinking(enabled=True, effort=think, param="think")


def _alternatives(body: GeneratingFields) -> int | None:
    if body.logprobs:
        return body.top_logprobs or 0
    if body.top_logprobs:
        raise InvalidRequest("top_logprobs needs logprobs to be true", param="top_logprobs")
    return None


def _shape(raw: msgspec.Raw | None) -> Constraint | None:
    if raw is None:
        return None
    if memoryview(raw)[0] == _STRING:
        text = typed(_TEXT, raw, "format")
        if text not in {"", "json"}:
            raise InvalidRequest("format must be json, or a JSON schema", param="format")
        return JsonObject("format") if text else None
    schema = read_schema(raw, "format")
    return JsonSchema(schema, "format") if schema else JsonObject("format")
