"""Messages and their content blocks to a conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeGuard

import msgspec

from jackfield.chat import Message, Role, ToolCall
from jackfield.errors import InvalidRequest, UnsupportedField
from jackfield.frontends.arrays import typed
from jackfield.frontends.messages import MESSAGES_MAX
from jackfield.frontends.plain import PlainMessages
from jackfield.frontends.rules import Names, NamesDecoder, is_null, shown
from jackfield.frontends.tools import null, read_schema
from jackfield_anthropic import fields

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.frontends.rules import Screening

_ROLES: Final[tuple[Role, ...]] = ("user", "assistant", "system")
_PLAIN: Final = PlainMessages[Role](_ROLES, parts=True)
_ALLOWED: Final[Mapping[str, frozenset[str]]] = {
    "user": frozenset({"text", "tool_result"}),
    "assistant": frozenset({"text", "thinking", "redacted_thinking", "tool_use"}),
    "system": frozenset({"text"}),
}
"""Kinds of blocks that a message of each role may have."""

BILLING_MARK: Final = "x-anthropic-billing-header:"
"""Begins a block of Claude Code's system prompt that is no prompt but a header, another one in each request: in front
of everything else, it would leave no prefix to keep."""

ERROR_MARK: Final = "Error: "
"""Begins the result of a tool that failed: chat templates know no other way to say so."""


class MessageBody(msgspec.Struct, frozen=True):
    """One message."""

    role: str
    content: msgspec.Raw


class BlockBody(msgspec.Struct, frozen=True, kw_only=True):
    """One block, the honoured fields of all kinds."""

    type: str
    text: str | None = None
    thinking: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.field(default_factory=null)
    tool_use_id: str | None = None
    content: msgspec.Raw = msgspec.field(default_factory=null)
    is_error: bool | None = None


_RAWS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECT: Final = NamesDecoder(Names)
_OBJECTS: Final = NamesDecoder(list[Names])
_MESSAGE: Final = msgspec.json.Decoder(MessageBody)
_BLOCKS: Final = msgspec.json.Decoder(list[BlockBody])
_TEXT: Final = msgspec.json.Decoder(str)

_STRING: Final = ord('"')
_ARRAY: Final = ord("[")


def read_system(raw: msgspec.Raw | None, screening: Screening) -> tuple[Message, ...]:
    """``system``: a text, or text blocks, which are joined by line breaks. Blocks that are headers are left out.

    Parameters:
        raw: As it was sent; None where it is absent or null.
        screening: Judges the fields that are not honoured.

    Raises:
        InvalidRequest: ``param`` is a path such as ``system[0].type``.
        MalformedBody: Too many fields, or a string that is not UTF-8.
    """
    if raw is None:
        return ()
    texts = _texts(raw, "system", screening)
    billing = [index for index, text in enumerate(texts) if text.startswith(BILLING_MARK)]
    for index in billing:
        screening.leave_out(f"system[{index}]")
    text = "\n".join(text for index, text in enumerate(texts) if index not in billing)
    return (Message("system", text),) if text else ()


def read_messages(raw: msgspec.Raw, screening: Screening) -> tuple[Message, ...]:
    """``messages``, as turns of a conversation; neighbours of one speaker become one turn, as Anthropic has it.

    Parameters:
        raw: The array as it was sent.
        screening: Judges the fields that are not honoured.

    Raises:
        InvalidRequest: ``param`` is a path such as ``messages[2].content[0].type``.
        MalformedBody: Too many fields, or a string that is not UTF-8.
    """
    raws = typed(_RAWS, raw, "messages")
    _bounded(raws, "messages")
    _OBJECT.begin()
    turns = _Turns(screening)
    for index, each in enumerate(raws):
        plain = _PLAIN.read(each)
        if plain:
            turns.say(*plain)
        else:
            path = f"messages[{index}]"
            screening.screen(_OBJECT.decode_more(each, path), fields.MESSAGE_HONOURED, {}, path + ".")
            turns.take(typed(_MESSAGE, each, path), path)
    return turns.end()


class _Turn:
    """One turn so far. Its texts are put together once, at the end, however many messages they come from."""

    __slots__ = ("calls", "role", "texts", "thoughts")

    def __init__(self, role: Role) -> None:
        self.role: Role = role
        self.texts: list[str] = []
        self.thoughts: list[str] = []
        self.calls: list[ToolCall] = []

    def message(self) -> Message:
        # the assistant's without line breaks: an answer that comes back is then the text that the model wrote
        between = "" if self.role == "assistant" else "\n"
        return Message(
            self.role, between.join(self.texts), tool_calls=tuple(self.calls), reasoning="".join(self.thoughts)
        )


class _Turns:
    """The conversation so far."""

    def __init__(self, screening: Screening) -> None:
        self._screening = screening
        self._turns: list[_Turn | Message] = []
        self._called: dict[str, str] = {}
        """Names of the tools that were called, by the calls' ids."""
        self._open: set[str] = set()
        """Ids of the calls that have no result yet."""

    def say(self, role: Role, text: str) -> None:
        self._turn(role).texts.append(text)

    def take(self, body: MessageBody, path: str) -> None:
        if not _is_role(body.role):
            raise InvalidRequest(f"{path}.role must be one of {', '.join(_ROLES)}", param=f"{path}.role")
        blocks = _blocks(body.content, f"{path}.content", self._screening)
        if body.role == "assistant":
            self._turn("assistant")
        for index, block in enumerate(blocks):
            self._block(body.role, block, f"{path}.content[{index}]")

    def end(self) -> tuple[Message, ...]:
        last = self._turns[-1] if self._turns else None
        if last is not None and last.role == "assistant" and self._open:
            raise InvalidRequest("messages: the last message calls tools and no result follows", param="messages")
        return tuple(turn.message() if isinstance(turn, _Turn) else turn for turn in self._turns)

    def _turn(self, role: Role) -> _Turn:
        """The turn that is *role*'s now; a new one where another has spoken last. System messages stay apart."""
        last = self._turns[-1] if self._turns else None
        if isinstance(last, _Turn) and last.role == role != "system":
            return last
        turn = _Turn(role)
        self._turns.append(turn)
        return turn

    def _block(self, role: Role, block: BlockBody, path: str) -> None:
        if block.type not in _ALLOWED[role]:
            message = f"{path}: a message of the role {role} has no block of type {block.type}"
            raise InvalidRequest(message, param=f"{path}.type")
        if block.type == "text":
            self.say(role, _required(block.text, f"{path}.text"))
        elif block.type == "tool_result":
            self._turns.append(self._result(block, path))
        elif block.type == "thinking":
            self._turn(role).thoughts.append(_required(block.thinking, f"{path}.thinking"))
        elif block.type == "tool_use":
            self._turn(role).calls.append(self._call(block, path))
        else:
            # another server's hidden thoughts, which nobody else can read
            self._screening.leave_out(path)

    def _result(self, block: BlockBody, path: str) -> Message:
        call = _required(block.tool_use_id, f"{path}.tool_use_id")
        if call not in self._called:
            raise InvalidRequest(
                f"{path}.tool_use_id names no tool_use block of an earlier message", param=f"{path}.tool_use_id"
            )
        self._open.discard(call)
        texts = () if is_null(block.content) else _texts(block.content, f"{path}.content", self._screening)
        text = "\n".join(texts)
        content = ERROR_MARK + text if block.is_error else text
        return Message("tool", content, tool_call_id=call, name=self._called[call])

    def _call(self, block: BlockBody, path: str) -> ToolCall:
        call = _required(block.id, f"{path}.id")
        name = _required(block.name, f"{path}.name")
        if is_null(block.input):
            raise InvalidRequest(f"{path}.input is required", param=f"{path}.input")
        arguments = read_schema(block.input, f"{path}.input") or "{}"
        self._called[call] = name
        self._open.add(call)
        return ToolCall(call, name, arguments)


def _is_role(role: str) -> TypeGuard[Role]:
    return role in _ROLES


def _texts(raw: msgspec.Raw, path: str, screening: Screening) -> Sequence[str]:
    """A text, or those of text blocks."""
    blocks = _blocks(raw, path, screening)
    for index, block in enumerate(blocks):
        if block.type != "text":
            raise InvalidRequest(f"{path}[{index}].type must be text", param=f"{path}[{index}].type")
    return [_required(block.text, f"{path}[{index}].text") for index, block in enumerate(blocks)]


def _blocks(raw: msgspec.Raw, path: str, screening: Screening) -> Sequence[BlockBody]:
    first = memoryview(raw)[0]
    if first == _STRING:
        return (BlockBody(type="text", text=typed(_TEXT, raw, path)),)
    if first != _ARRAY:
        raise InvalidRequest(f"{path} must be a string or an array of blocks", param=path)
    objects = _OBJECTS.decode(raw, path)
    _bounded(objects, path)
    blocks: list[BlockBody] = typed(_BLOCKS, raw, path)
    for index, (block, names) in enumerate(zip(blocks, objects, strict=True)):
        where = f"{path}[{index}]"
        _check_kind(block.type, where)
        honoured, rules = fields.BLOCKS[block.type]
        screening.screen(names, honoured, rules, where + ".")
    return blocks


def _check_kind(kind: str, path: str) -> None:
    if kind in fields.OTHER_BLOCKS:
        raise UnsupportedField(f"{path}: blocks of type {kind} are not supported", param=f"{path}.type")
    if kind not in fields.BLOCKS:
        raise InvalidRequest(f"{path}.type: {shown(kind)!r} is no type of blocks", param=f"{path}.type")


def _required(value: str | None, path: str) -> str:
    if value is None:
        raise InvalidRequest(f"{path} is required", param=path)
    return value


def _bounded(objects: Sequence[object], path: str) -> None:
    if len(objects) > MESSAGES_MAX:
        raise InvalidRequest(f"{path} may have at most {MESSAGES_MAX} elements", param=path)
