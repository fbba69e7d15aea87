"""The ``messages`` of a chat body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeGuard

import msgspec

from jackfield.errors import InvalidRequest, UnsupportedField
from jackfield.types import Message
from jackfield_openai import fields
from jackfield_openai.errors import malformed, not_of_kind
from jackfield_openai.rules import Names, as_field_name

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


_OBJECTS: Final = msgspec.json.Decoder(list[Names], dec_hook=as_field_name)


def read_messages(bodies: list[MessageBody], raw: msgspec.Raw, screening: Screening) -> tuple[Message, ...]:
    """Check and convert the messages.

    Parameters:
        bodies: The messages, decoded.
        raw: The same array as it was sent, for the names of its fields.
        screening: Judges the fields that are not honoured.

    Raises:
        InvalidRequest: ``param`` is a path such as ``messages[2].content[0].type``.
    """
    messages: list[Message] = []
    for index, (body, names) in enumerate(zip(bodies, _objects(raw), strict=True)):
        path = f"messages[{index}]"
        role = _role(body.role, path)
        screening.screen(names, fields.MESSAGE_HONOURED, fields.MESSAGE, path + ".")
        messages.append(Message(role, _content(body.content, names, path, screening)))
    return tuple(messages)


def _objects(raw: msgspec.Raw) -> list[Names]:
    try:
        return _OBJECTS.decode(raw)
    except msgspec.ValidationError as error:
        raise not_of_kind(error, "messages") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(error) from error


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
    texts = [_text(part, f"{path}.content[{index}]") for index, part in enumerate(content)]
    raw = next(raw for name, raw in names.items() if str(name) == "content")
    for index, part in enumerate(_objects(raw)):
        screening.screen(part, fields.PART_HONOURED, fields.PART, f"{path}.content[{index}].")
    return "\n".join(texts)


def _text(part: PartBody, path: str) -> str:
    if part.type == "text":
        if part.text is None:
            raise InvalidRequest(f"{path}.text is required", param=f"{path}.text")
        return part.text
    if part.type in _PARTS:
        raise UnsupportedField(f"{path}: parts of type {part.type} are not supported", param=f"{path}.type")
    raise InvalidRequest(f"{path}.type must be text", param=f"{path}.type")
