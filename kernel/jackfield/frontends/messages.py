"""Messages in OpenAI's shape, which several dialects take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeGuard

import msgspec

from jackfield.chat import Message, Role, ToolCall
from jackfield.errors import InvalidRequest, UnsupportedField
from jackfield.frontends.arrays import typed
from jackfield.frontends.plain import PlainMessages
from jackfield.frontends.rules import Items, Names, NamesDecoder, Rule, Rules, Table, anything, empty, never

if TYPE_CHECKING:
    from jackfield.frontends.rules import Screening

MESSAGES_MAX: Final = 2048
"""Most messages, and most parts or calls of one; OpenAI's own limit of messages."""

_ROLES: Final[tuple[Role, ...]] = ("system", "developer", "user", "assistant", "tool")
_PARTS: Final = ("image_url", "input_audio", "file", "refusal", "audio_url", "image_embeds", "input_video", "video_url")
"""Documented kinds of parts, besides text: OpenAI's, and those of llama-server and vLLM."""

CACHE: Final = Rule(Table, anything)
"""``cache_control``, routers' and agents', asks that a prefix be kept: all are, as long as there is room."""

NOTES: Final = Rule(Table, anything)
"""``provider_specific_fields``: what LiteLLM noted of an answer, for servers that want it back."""

MESSAGE_HONOURED: Final = frozenset(
    {
        "content",
        "function_call",
        "name",
        "prefix",
        "reasoning",
        "reasoning_content",
        "role",
        "tool_call_id",
        "tool_calls",
    }
)
MESSAGE: Final[Rules] = {
    "annotations": Rule(Items, empty),
    "audio": Rule(Table, never),
    "cache_control": CACHE,
    "provider_specific_fields": NOTES,
    "reasoning_details": Rule(Items, empty, tunes=True),
    "refusal": Rule(str, empty),
    "thinking_blocks": Rule(Items, empty, tunes=True),
}
"""Fields of a message that are not honoured; an answer of ours, sent back as it came, has some of them, empty. Routers
and the clients that speak to many servers add others: thoughts of other servers in shapes of their own are refused."""

PART_HONOURED: Final = frozenset({"type", "text"})
PART: Final[Rules] = {"cache_control": CACHE, "prompt_cache_breakpoint": Rule(Table, never, tunes=True)}
"""Fields of a text part that are not honoured."""

CALL_HONOURED: Final = frozenset({"id", "type", "function"})
CALL: Final[Rules] = {"index": Rule(int, anything), "provider_specific_fields": NOTES}
"""Fields of a call that are not honoured: the number that a part of it has in a stream says nothing more."""


class PartBody(msgspec.Struct, frozen=True):
    """One part of a message's content."""

    type: str | None = None
    text: str | None = None


class FunctionBody(msgspec.Struct, frozen=True):
    """The function that was called."""

    name: str
    arguments: str = ""


class CallBody(msgspec.Struct, frozen=True):
    """One call of an earlier answer."""

    function: FunctionBody
    id: str = ""
    type: str = "function"


class MessageBody(msgspec.Struct, frozen=True):
    """One message, its honoured fields."""

    role: str | None = None
    content: str | list[PartBody] | None = None
    name: str | None = None
    prefix: bool | None = None
    """DeepSeek's and Mistral's: the answer goes on with it."""
    reasoning: str | None = None
    reasoning_content: str | None = None
    tool_call_id: str | None = None
    tool_calls: list[CallBody] | None = None
    function_call: FunctionBody | None = None
    """What ``tool_calls`` has replaced."""


_RAWS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECT: Final = NamesDecoder(Names)
_OBJECTS: Final = NamesDecoder(list[Names])
_BODY: Final = msgspec.json.Decoder(MessageBody)
_PLAIN: Final = PlainMessages[Role](("system", "developer", "user", "assistant"), parts=True)


def read_messages(raw: msgspec.Raw, screening: Screening) -> tuple[Message, ...]:
    """Decode and check the messages.

    Parameters:
        raw: The array as it was sent.
        screening: Judges the fields that are not honoured.

    Raises:
        InvalidRequest: ``param`` is a path such as ``messages[2].content[0].type``.
        MalformedBody: Too many fields, or a string that is not UTF-8.
    """
    raws = typed(_RAWS, raw, "messages")
    _bounded(len(raws), "messages")
    _OBJECT.begin()
    messages: list[Message] = []
    for index, each in enumerate(raws):
        plain = _PLAIN.read(each)
        if plain:
            messages.append(Message(*plain))
            continue
        path = f"messages[{index}]"
        message, goes_on = _message(each, path, screening)
        if goes_on and (message.role != "assistant" or index + 1 < len(raws)):
            raise InvalidRequest(
                f"{path}.prefix: only the last message, if it is the assistant's, can be gone on with",
                param=f"{path}.prefix",
            )
        messages.append(message)
    return tuple(messages)


def asks_to_go_on(raw: msgspec.Raw) -> bool:
    """Whether the last of *raw*, messages that were read already, has ``prefix``."""
    return bool(_BODY.decode(_RAWS.decode(raw)[-1]).prefix)


def _message(raw: msgspec.Raw, path: str, screening: Screening) -> tuple[Message, bool]:
    """A message, and whether it has ``prefix``."""
    names = _OBJECT.decode_more(raw, path)
    body = typed(_BODY, raw, path)
    role = _role(body, path)
    screening.screen(names, MESSAGE_HONOURED, MESSAGE, path + ".")
    return _judged(role, body, names, path, screening), bool(body.prefix)


def _judged(role: Role, body: MessageBody, names: Names, path: str, screening: Screening) -> Message:
    if role != "assistant":
        for field, calls in (("tool_calls", body.tool_calls), ("function_call", body.function_call)):
            if calls:
                raise InvalidRequest(f"{path}.{field}: only the assistant calls tools", param=f"{path}.{field}")
    call_id = _function_id(body.name or "") if body.role == "function" else body.tool_call_id
    if role == "tool" and not call_id:
        raise InvalidRequest(f"{path}.tool_call_id is required", param=f"{path}.tool_call_id")
    return Message(
        role,
        _content(body, names, path, screening),
        tool_calls=_calls(body, names, path, screening),
        tool_call_id=call_id or "",
        name=body.name or "",
        reasoning=body.reasoning_content or body.reasoning or "",
    )


def _function_id(name: str) -> str:
    """The id of a call of an older kind, which has none: its answer names the function."""
    return f"call_{name}"


def _bounded(count: int, path: str) -> None:
    if count > MESSAGES_MAX:
        raise InvalidRequest(f"{path} may have at most {MESSAGES_MAX} elements", param=path)


def _is_role(role: str | None) -> TypeGuard[Role]:
    return role in _ROLES


def _role(body: MessageBody, path: str) -> Role:
    if _is_role(body.role):
        return body.role
    if body.role == "function":
        if body.name:
            return "tool"
        raise InvalidRequest(f"{path}.name is required", param=f"{path}.name")
    raise InvalidRequest(f"{path}.role must be one of {', '.join(_ROLES)}", param=f"{path}.role")


def _content(body: MessageBody, names: Names, path: str, screening: Screening) -> str:
    content = body.content
    if isinstance(content, str):
        return content
    if not content:
        said = body.tool_calls or body.function_call or body.reasoning_content or body.reasoning
        if content is None and body.role == "assistant" and said:
            return ""
        raise InvalidRequest(f"{path}.content must be a string or an array of text parts", param=f"{path}.content")
    _bounded(len(content), f"{path}.content")
    texts = [_text(part, f"{path}.content[{index}]") for index, part in enumerate(content)]
    for index, names_of_part in enumerate(_OBJECTS.decode(_raw(names, "content"), f"{path}.content")):
        screening.screen(names_of_part, PART_HONOURED, PART, f"{path}.content[{index}].")
    return "\n".join(texts)


def _text(part: PartBody, path: str) -> str:
    if part.type == "text":
        if part.text is None:
            raise InvalidRequest(f"{path}.text is required", param=f"{path}.text")
        return part.text
    if part.type in _PARTS:
        raise UnsupportedField(f"{path}: parts of type {part.type} are not supported", param=f"{path}.type")
    raise InvalidRequest(f"{path}.type must be text", param=f"{path}.type")


def _calls(body: MessageBody, names: Names, path: str, screening: Screening) -> tuple[ToolCall, ...]:
    if body.function_call is not None:
        if body.tool_calls:
            raise InvalidRequest(f"{path}.function_call: give one of it and tool_calls", param=f"{path}.function_call")
        called = body.function_call
        return (ToolCall(_function_id(called.name), called.name, called.arguments),)
    if not body.tool_calls:
        return ()
    path += ".tool_calls"
    _bounded(len(body.tool_calls), path)
    for index, names_of_call in enumerate(_OBJECTS.decode(_raw(names, "tool_calls"), path)):
        screening.screen(names_of_call, CALL_HONOURED, CALL, f"{path}[{index}].")
    for index, call in enumerate(body.tool_calls):
        if call.type != "function":
            raise UnsupportedField(f"{path}[{index}].type must be function", param=f"{path}[{index}].type")
    return tuple(ToolCall(call.id, call.function.name, call.function.arguments) for call in body.tool_calls)


def _raw(names: Names, wanted: str) -> msgspec.Raw:
    return next(raw for name, raw in names.items() if str(name) == wanted)
