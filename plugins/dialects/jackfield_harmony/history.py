"""Conversations as the family's template takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.parsing.history import linked, one_call_each
from jackfield.parsing.shaping import template_message, template_variables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.chat import ChatPrompt, JsonValue, Message

_INSTRUCT = frozenset({"system", "developer"})


def variables(chat: ChatPrompt) -> dict[str, JsonValue]:
    """The template's variables.

    The template shows instructions only where they come first, one call of a message, and of a message with a call
    either what was said or what was thought.
    """
    shaped = template_variables(chat)
    messages = one_call_each(linked(chat.messages, lambda number, _: str(number)))
    instructions = [message.content for message in messages if message.role in _INSTRUCT and message.content]
    shaped["messages"] = [
        *_developer(instructions),
        *(_shaped(message, index) for index, message in enumerate(messages) if message.role not in _INSTRUCT),
    ]
    return shaped


def _developer(instructions: Sequence[str]) -> list[dict[str, JsonValue]]:
    return [{"role": "developer", "content": "\n\n".join(instructions)}] if instructions else []


def _shaped(message: Message, index: int) -> dict[str, JsonValue]:
    shaped = template_message(message, f"messages[{index}]", "object")
    thought = shaped.pop("reasoning_content", "")
    if message.tool_calls:
        thought = "\n\n".join(text for text in (message.reasoning, message.content) if text)
        shaped["content"] = ""
    if thought:
        shaped["thinking"] = thought
    return shaped
