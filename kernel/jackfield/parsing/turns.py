"""Conversations for templates that know fewer kinds of turns: what they would leave out, or refuse, goes elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from jackfield.parsing.shaping import arguments_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jackfield.chat import JsonValue, Message

_BETWEEN = "\n\n"


def calls_in_content(
    messages: Sequence[Message], write: Callable[[list[tuple[str, dict[str, JsonValue]]]], str]
) -> list[Message]:
    """*messages* with the calls of earlier turns at the end of what the assistant said. Any thread.

    Parameters:
        messages: The conversation.
        write: Writes the calls of one turn, each a name and arguments.

    Raises:
        InvalidRequest: The arguments of a call are no JSON object.
    """
    shaped: list[Message] = []
    for index, message in enumerate(messages):
        text = ""
        if message.tool_calls:
            text = write([(call.name, arguments_of(call, f"messages[{index}]")) for call in message.tool_calls])
        shaped.append(msgspec.structs.replace(message, content=message.content + text, tool_calls=()))
    return shaped


def system_in_user(messages: Sequence[Message]) -> list[Message]:
    """*messages* with what the system says in front of what the user says next. Any thread."""
    shaped: list[Message] = []
    said: list[str] = []
    for message in messages:
        if message.role in {"system", "developer"}:
            said.append(message.content)
        elif said and message.role == "user":
            shaped.append(msgspec.structs.replace(message, content=_BETWEEN.join([*said, message.content])))
            said = []
        else:
            shaped.append(message)
    if said:
        shaped.append(msgspec.structs.replace(messages[-1], role="user", content=_BETWEEN.join(said)))
    return shaped


def by_turns(messages: Sequence[Message]) -> list[Message]:
    """*messages* with neighbours of one role made one. Any thread."""
    shaped: list[Message] = []
    for message in messages:
        if shaped and shaped[-1].role == message.role:
            content = _BETWEEN.join(filter(None, (shaped[-1].content, message.content)))
            shaped[-1] = msgspec.structs.replace(shaped[-1], content=content)
        else:
            shaped.append(message)
    return shaped
