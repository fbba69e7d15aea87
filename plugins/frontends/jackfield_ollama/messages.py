"""Messages in Ollama's shape to a conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeGuard

import msgspec

from jackfield.chat import Message, Role, ToolCall
from jackfield.errors import InvalidRequest
from jackfield.frontends.arrays import typed
from jackfield.frontends.messages import MESSAGES_MAX
from jackfield.frontends.plain import PlainMessages
from jackfield.frontends.rules import Names, NamesDecoder, present
from jackfield_ollama import fields
from jackfield_ollama.bodies import MessageBody

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.frontends.rules import Screening
    from jackfield_ollama.bodies import CallBody

_ROLES: Final[tuple[Role, ...]] = ("system", "user", "assistant", "tool")

_RAWS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECT: Final = NamesDecoder(Names)
_OBJECTS: Final = NamesDecoder(list[Names])
_MESSAGE: Final = msgspec.json.Decoder(MessageBody)
_PLAIN: Final = PlainMessages[Role](("system", "user", "assistant"), parts=False)


def read_messages(raw: msgspec.Raw, screening: Screening) -> tuple[Message, ...]:
    """``messages``; there may be none.

    Ollama's calls have no ids: a result is taken for the oldest call of its tool that has none yet.

    Parameters:
        raw: The array as it was sent.
        screening: Judges the fields that are not honoured.

    Raises:
        InvalidRequest: ``param`` is a path such as ``messages[2].role``.
        MalformedBody: Too many fields, or a string that is not UTF-8.
    """
    raws = typed(_RAWS, raw, "messages")
    _bounded(raws, "messages")
    _OBJECT.begin()
    turns = _Turns()
    for index, each in enumerate(raws):
        plain = _PLAIN.read(each)
        if plain:
            turns.messages.append(Message(*plain))
        else:
            _take(turns, each, f"messages[{index}]", screening)
    return tuple(turns.messages)


def _take(turns: _Turns, raw: msgspec.Raw, path: str, screening: Screening) -> None:
    names = _OBJECT.decode_more(raw, path)
    screening.screen(names, fields.MESSAGE_HONOURED, fields.MESSAGE, path + ".")
    calls = present(names).get("tool_calls")
    if calls is not None:
        _screen_calls(calls, f"{path}.tool_calls", screening)
    turns.take(typed(_MESSAGE, raw, path), path)


class _Turns:
    """The conversation so far."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._open: list[ToolCall] = []
        """Calls that have no result yet, oldest first."""
        self._calls = 0

    def take(self, body: MessageBody, path: str) -> None:
        if not _is_role(body.role):
            raise InvalidRequest(f"{path}.role must be one of {', '.join(_ROLES)}", param=f"{path}.role")
        if body.tool_calls and body.role != "assistant":
            raise InvalidRequest(f"{path}.tool_calls: only the assistant calls tools", param=f"{path}.tool_calls")
        if body.role == "tool":
            self.messages.append(self._result(body))
            return
        calls = tuple(self._call(call) for call in body.tool_calls or ())
        self._open.extend(calls)
        self.messages.append(Message(body.role, body.content or "", tool_calls=calls, reasoning=body.thinking or ""))

    def _call(self, call: CallBody) -> ToolCall:
        self._calls += 1
        arguments = msgspec.json.encode(call.function.arguments).decode()
        return ToolCall(call.id or f"call_{self._calls}", call.function.name, arguments)

    def _result(self, body: MessageBody) -> Message:
        for call in self._open:
            if body.tool_call_id in {None, call.id} and body.tool_name in {None, call.name}:
                self._open.remove(call)
                return Message("tool", body.content or "", tool_call_id=call.id, name=call.name)
        return Message("tool", body.content or "", tool_call_id=body.tool_call_id or "", name=body.tool_name or "")


def _screen_calls(raw: msgspec.Raw, path: str, screening: Screening) -> None:
    objects = _OBJECTS.decode(raw, path)
    _bounded(objects, path)
    for index, names in enumerate(objects):
        screening.screen(names, fields.CALL_HONOURED, fields.CALL, f"{path}[{index}].")


def _is_role(role: str) -> TypeGuard[Role]:
    return role in _ROLES


def _bounded(objects: Sequence[object], path: str) -> None:
    if len(objects) > MESSAGES_MAX:
        raise InvalidRequest(f"{path} may have at most {MESSAGES_MAX} elements", param=path)
