"""Conversations as the families' templates take them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from jackfield.chat import Message
from jackfield.parsing.history import linked, one_call_each
from jackfield.parsing.turns import calls_in_content

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.chat import ChatPrompt, JsonValue
    from jackfield_families.forms import Form


def shaped(chat: ChatPrompt, form: Form, *, keeps_calls: bool) -> ChatPrompt:
    """*chat* for a template of *form*.

    Parameters:
        chat: The conversation.
        form: The family's.
        keeps_calls: Whether the template shows the calls of earlier turns.

    Raises:
        InvalidRequest: The arguments of an earlier call are no JSON object.
    """
    messages: Sequence[Message] = chat.messages
    if form.call is not None and form.call.numbered:
        messages = _numbered(messages)
    if form.single:
        messages = one_call_each(linked(messages, lambda _, call_id: call_id))
    if not keeps_calls:
        messages = calls_in_content(messages, lambda calls: _written(calls, form))
    if form.off and chat.thinking.enabled is False:
        messages = _with_word(messages, form.off)
    return msgspec.structs.replace(chat, messages=tuple(messages))


def _numbered(messages: Sequence[Message]) -> list[Message]:
    """Ids as the model writes them: ``functions.f:0``, counted through the conversation."""
    ids: dict[str, str] = {}
    found: list[Message] = []
    for message in linked(messages, lambda number, _: str(number)):
        calls = tuple(
            msgspec.structs.replace(call, id=ids.setdefault(call.id, f"functions.{call.name}:{call.id}"))
            for call in message.tool_calls
        )
        result = ids.get(message.tool_call_id, message.tool_call_id)
        found.append(msgspec.structs.replace(message, tool_calls=calls, tool_call_id=result))
    return found


def _written(calls: list[tuple[str, dict[str, JsonValue]]], form: Form) -> str:
    listed = ", ".join(_call(name, arguments, form) for name, arguments in calls)
    return f"{form.begin}[{listed}]{form.end}"


def _call(name: str, arguments: dict[str, JsonValue], form: Form) -> str:
    if form.style == "python":
        return f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"
    return json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)


def _with_word(messages: Sequence[Message], word: str) -> list[Message]:
    first = messages[0]
    if first.role in {"system", "developer"}:
        return [msgspec.structs.replace(first, content=f"{first.content}\n\n{word}"), *messages[1:]]
    return [Message("system", word), *messages]
