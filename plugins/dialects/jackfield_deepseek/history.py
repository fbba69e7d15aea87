"""Conversations as the family's templates take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

from jackfield.chat import Message
from jackfield.parsing.history import linked
from jackfield.parsing.shaping import template_message, template_variables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.chat import ChatPrompt, JsonValue

_INSTRUCT: Final = frozenset({"system", "developer"})


def variables(
    chat: ChatPrompt, *, arguments: Literal["object", "text"], apart: bool, told: str
) -> dict[str, JsonValue]:
    """The template's variables.

    Templates go by the order of results. They put all instructions in front, some only the last; so there is one.

    Parameters:
        chat: The conversation.
        arguments: How the template wants the arguments of earlier calls.
        apart: Whether the template leaves out what was said in a message that has calls.
        told: What the template does not say of the tools.
    """
    shaped = template_variables(chat, arguments=arguments)
    messages = linked(chat.messages, lambda _, call_id: call_id)
    rest = [message for message in messages if message.role not in _INSTRUCT]
    if apart:
        rest = [part for message in rest for part in _parted(message)]
    instructions = [message.content for message in messages if message.role in _INSTRUCT]
    whole = "\n\n".join(text for text in (*instructions, told) if text)
    system = [Message("system", whole)] if whole else []
    shaped["messages"] = [
        _shaped(message, f"messages[{index}]", arguments) for index, message in enumerate([*system, *rest])
    ]
    return shaped


def _parted(message: Message) -> Sequence[Message]:
    if not (message.tool_calls and message.content):
        return (message,)
    return (
        msgspec.structs.replace(message, tool_calls=()),
        msgspec.structs.replace(message, content="", reasoning=""),
    )


def _shaped(message: Message, path: str, arguments: Literal["object", "text"]) -> dict[str, JsonValue]:
    shaped = template_message(message, path, arguments)
    if message.tool_calls and not message.content:
        shaped["content"] = None  # how some templates tell calls from answers
    return shaped
