"""The ``messages`` of a chat body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeGuard

import msgspec

from jackfield.errors import InvalidRequest, UnsupportedField
from jackfield.types import Message
from jackfield_openai import fields
from jackfield_openai.errors import not_of_kind
from jackfield_openai.rules import Names, NamesDecoder

if TYPE_CHECKING:
    from jackfield_openai.rules import Screening

Role = Literal["system", "developer", "user", "assistant"]

_ROLES: Final[tuple[Role, ...]] = ("system", "developer", "user", "assistant")
_TOOL_ROLES: Final = ("tool", "function")
_PARTS: Final = ("image_url", "input_audio", "file", "refusal")
"""Documented kinds of parts, besides text."""


class PartBody(msgspec.Struct, frozen=True):
    """One part of a message's content."""

    type: str | None = None
    text: str | None = None


class MessageBody(msgspec.Struct, frozen=True):
    """One message, its honoured fields."""

    role: str | None = None
    content: str | list[PartBody] | None = None


_OBJECTS: Final = NamesDecoder(list[Names])
_BODIES: Final = msgspec.json.Decoder(list[MessageBody])

MESSAGES_MAX: Final = 2048
"""Most messages, and most parts of one; OpenAI's own limit of messages."""


def read_messages(raw: msgspec.Raw, screening: Screening) -> tuple[Message, ...]:
    """Decode and check the messages.

    Parameters:
        raw: The array as it was sent.
        screening: Judges the fields that are not honoured.

    Raises:
        InvalidRequest: ``param`` is a path such as ``messages[2].content[0].type``.
        MalformedBody: Too many fields, or a string that is not UTF-8.
    """
    objects = _OBJECTS.decode(raw, "messages")
    _bounded(len(objects), "messages")
    messages: list[Message] = []
    for index, (body, names) in enumerate(zip(_bodies(raw), objects, strict=True)):
        path = f"messages[{index}]"
        role = _role(body.role, path)
        screening.screen(names, fields.MESSAGE_HONOURED, fields.MESSAGE, path + ".")
        messages.append(Message(role, _content(body.content, names, path, screening)))
    return tuple(messages)


def _bodies(raw: msgspec.Raw) -> list[MessageBody]:
    try:
        return _BODIES.decode(raw)
    except (msgspec.ValidationError, UnicodeDecodeError) as error:
        raise not_of_kind(error, "messages") from error


def _bounded(count: int, path: str) -> None:
    if count > MESSAGES_MAX:
        raise InvalidRequest(f"{path} may have at most {MESSAGES_MAX} elements", param=path)


def _is_role(role: str | None) -> TypeGuard[Role]:
    return role in _ROLES


def _role(role: str | None, path: str) -> Role:
    if _is_role(role):
        return role
    if role in _TOOL_ROLES:
        raise UnsupportedField(f"{path}.role: this server does not call tools", param=f"{path}.role")
    raise InvalidRequest(f"{path}.role must be one of {', '.join(_ROLES)}", param=f"{path}.role")


def _content(content: str | list[PartBody] | None, names: Names, path: str, screening: Screening) -> str:
    if isinstance(content, str):
        return content
    if not content:
        raise InvalidRequest(f"{path}.content must be a string or an array of text parts", param=f"{path}.content")
    _bounded(len(content), f"{path}.content")
    texts = [_text(part, f"{path}.content[{index}]") for index, part in enumerate(content)]
    raw = next(raw for name, raw in names.items() if str(name) == "content")
    for index, names_of_part in enumerate(_OBJECTS.decode(raw, f"{path}.content")):
        screening.screen(names_of_part, fields.PART_HONOURED, fields.PART, f"{path}.content[{index}].")
    return "\n".join(texts)


def _text(part: PartBody, path: str) -> str:
    if part.type == "text":
        if part.text is None:
            raise InvalidRequest(f"{path}.text is required", param=f"{path}.text")
        return part.text
    if part.type in _PARTS:
        raise UnsupportedField(f"{path}: parts of type {part.type} are not supported", param=f"{path}.type")
    raise InvalidRequest(f"{path}.type must be text", param=f"{path}.type")
