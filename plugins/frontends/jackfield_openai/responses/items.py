"""Input items: what a conversation is made of in this API, as messages of a chat.

From OpenAI's API description 2.3.0 (``InputItem``): messages, calls and their outputs, thoughts, references. Whatever
an answer of ours has may be sent back as it came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from jackfield.chat import Message, ToolCall
from jackfield.errors import InvalidRequest, UnsupportedField
from jackfield.frontends.arrays import exceeds, typed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ITEMS_MAX: Final = 4096
"""Most items of one conversation, those that are remembered included."""

PARTS_MAX: Final = 2048
"""Most parts of one item."""

Status: TypeAlias = Literal["in_progress", "completed", "incomplete"]
Part: TypeAlias = "InputText | OutputText | Refusal | Image | File | Audio"
_Role: TypeAlias = Literal["user", "assistant", "system", "developer"]


class InputText(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="input_text"):
    """Text that somebody wrote."""

    text: str


class OutputText(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="output_text"):
    """Text that the model wrote."""

    text: str
    annotations: Annotated[list[msgspec.Raw], Meta(max_length=0)] = []
    """Nothing is annotated here."""
    logprobs: list[msgspec.Raw] | None = None
    """Said once; they mean nothing to what follows."""


class Refusal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="refusal"):
    """What another model said instead of an answer."""

    refusal: str

    @property
    def text(self) -> str:
        """To the model it is what was said."""
        return self.refusal


class Image(msgspec.Struct, frozen=True, tag="input_image"):
    """Documented, and refused by name."""


class File(msgspec.Struct, frozen=True, tag="input_file"):
    """Documented, and refused by name."""


class Audio(msgspec.Struct, frozen=True, tag="input_audio"):
    """Documented, and refused by name."""


class ReasoningText(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="reasoning_text"):
    """A thought."""

    text: str


class SummaryText(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="summary_text"):
    """A summary of thoughts."""

    text: str


class MessageItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``message``."""

    role: _Role
    content: str | list[Part]
    type: Literal["message"] = "message"
    id: str | None = None
    status: Status | None = None


class CallItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``function_call``."""

    call_id: str
    name: str
    arguments: str
    type: Literal["function_call"]
    id: str | None = None
    status: Status | None = None


class CallOutputItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``function_call_output``."""

    call_id: str
    output: str | list[InputText]
    type: Literal["function_call_output"]
    id: str | None = None
    status: Status | None = None


class ReasoningItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``reasoning``."""

    type: Literal["reasoning"]
    id: str | None = None
    summary: list[SummaryText] = []
    content: list[ReasoningText] | None = None
    encrypted_content: str | None = None
    status: Status | None = None


class ReferenceItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``item_reference``."""

    id: str
    type: Literal["item_reference"] | None = None


Item: TypeAlias = MessageItem | CallItem | CallOutputItem | ReasoningItem


class _Kind(msgspec.Struct, frozen=True):
    type: str | None = None
    id: str | None = None
    role: str | None = None


_TEXT: Final = msgspec.json.Decoder(str)
_RAWS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_KIND: Final = msgspec.json.Decoder(_Kind)
_REFERENCE: Final = msgspec.json.Decoder(ReferenceItem)
_MESSAGE: Final[msgspec.json.Decoder[Item]] = msgspec.json.Decoder(MessageItem)
_DECODERS: Final[dict[str, msgspec.json.Decoder[Item]]] = {
    "message": _MESSAGE,
    "function_call": msgspec.json.Decoder(CallItem),
    "function_call_output": msgspec.json.Decoder(CallOutputItem),
    "reasoning": msgspec.json.Decoder(ReasoningItem),
}
_NOT_READ: Final = {Image: "images", File: "files", Audio: "sound"}
_MESSAGE_HEADS: Final = (b'{"role":', b'{"type":"message",', b'{"type": "message",')
_HEAD_MAX: Final = max(map(len, _MESSAGE_HEADS))
_PREFIXES: Final[dict[str, str]] = {
    "message": "msg_",
    "function_call": "fc_",
    "function_call_output": "fco_",
    "reasoning": "rs_",
}


def read_items(raw: msgspec.Raw, known: Sequence[Item], new_id: Callable[[str], str]) -> tuple[Item, ...]:
    """``input`` as items with ids.

    Parameters:
        raw: A text, or an array of items, as it was sent.
        known: Items that references may name.
        new_id: Makes an id that begins with its argument.

    Raises:
        InvalidRequest: ``param`` is a path such as ``input[2].content``.
        UnsupportedField: An item or part of a kind that this server does not have.
    """
    if memoryview(raw)[0] == ord('"'):
        return (MessageItem(role="user", content=typed(_TEXT, raw, "input"), id=new_id("msg_")),)
    # each item may have some parts, and each part a few strings
    if exceeds(raw, 16 * ITEMS_MAX):
        raise InvalidRequest("input has too many items or parts", param="input")
    raws = typed(_RAWS, raw, "input")
    if not raws:
        raise InvalidRequest("input must have at least one item", param="input")
    by_id = {item.id: item for item in known}
    return tuple(_item(each, f"input[{index}]", by_id, new_id) for index, each in enumerate(raws))


def _item(raw: msgspec.Raw, path: str, known: dict[str | None, Item], new_id: Callable[[str], str]) -> Item:
    item = _plain_message(raw) or _judged(raw, path, known)
    if isinstance(item, MessageItem) and isinstance(item.content, list):
        _check_parts(item.content, path)
    return item if item.id else msgspec.structs.replace(item, id=new_id(_PREFIXES[item.type]))


def _check_parts(parts: Sequence[Part], path: str) -> None:
    for index, part in enumerate(parts):
        if isinstance(part, Image | File | Audio):
            where = f"{path}.content[{index}].type"
            raise UnsupportedField(f"{where}: this server reads text, and no {_NOT_READ[type(part)]}", param=where)


def _plain_message(raw: msgspec.Raw) -> Item | None:
    """A message that begins as most do, so that it need not be read twice; None where it is none after all."""
    if not bytes(memoryview(raw)[:_HEAD_MAX]).startswith(_MESSAGE_HEADS):
        return None
    try:
        return _MESSAGE.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _judged(raw: msgspec.Raw, path: str, known: dict[str | None, Item]) -> Item:
    said = typed(_KIND, raw, path)
    kind = said.type or ("message" if said.role is not None else "item_reference")
    if kind == "item_reference":
        reference = typed(_REFERENCE, raw, path)
        found = known.get(reference.id)
        if found is None:
            raise InvalidRequest(f"{path}.id names no item of the responses before", param=f"{path}.id")
        return found
    if kind not in _DECODERS:
        raise UnsupportedField(f"{path}.type: this server has no such items", param=f"{path}.type")
    item = typed(_DECODERS[kind], raw, path)
    if isinstance(item, ReasoningItem) and item.encrypted_content:
        where = f"{path}.encrypted_content"
        raise UnsupportedField(f"{where}: this server encrypts no thoughts", param=where)
    return item


def messages_of(items: Sequence[Item]) -> tuple[Message, ...]:
    """The chat that *items* are.

    Thoughts belong to what the assistant says or calls next; calls to what it has just said.
    """
    if len(items) > ITEMS_MAX:
        raise InvalidRequest(f"a conversation may have at most {ITEMS_MAX} items", param="input")
    chat = _Chat()
    for item in items:
        chat.add(item)
    return tuple(chat.messages)


class _Chat:
    """Messages of the items so far."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._thoughts = ""
        self._names: dict[str, str] = {}

    def add(self, item: Item) -> None:
        """The next item."""
        if isinstance(item, ReasoningItem):
            self._thoughts += "".join(part.text for part in item.content or ())
        elif isinstance(item, CallItem):
            self._call(ToolCall(item.call_id, item.name, item.arguments))
        elif isinstance(item, CallOutputItem):
            name = self._names.get(item.call_id, "")
            self.messages.append(Message("tool", _text(item.output), tool_call_id=item.call_id, name=name))
        else:
            thoughts = self._taken() if item.role == "assistant" else ""
            self.messages.append(Message(item.role, _text(item.content), reasoning=thoughts))

    def _call(self, call: ToolCall) -> None:
        self._names[call.id] = call.name
        last = self.messages[-1] if self.messages else None
        if last is None or last.role != "assistant" or self._thoughts:
            self.messages.append(Message("assistant", tool_calls=(call,), reasoning=self._taken()))
        else:
            self.messages[-1] = msgspec.structs.replace(last, tool_calls=(*last.tool_calls, call))

    def _taken(self) -> str:
        thoughts, self._thoughts = self._thoughts, ""
        return thoughts


def _text(content: str | Sequence[Part]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.text for part in content if not isinstance(part, Image | File | Audio))
