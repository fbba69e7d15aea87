"""Conversations as the family's templates take them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from jackfield.parsing.history import linked
from jackfield.parsing.shaping import template_message, template_variables

if TYPE_CHECKING:
    from jackfield.chat import ChatPrompt, JsonValue, Message


def variables(chat: ChatPrompt, *, plans: bool) -> dict[str, JsonValue]:
    """The template's variables.

    Parameters:
        chat: The conversation.
        plans: Whether the template shows what was said before a call as thoughts only.

    Templates find the result of a call by its id, so each id must be there once; and they walk over the tools without
    asking whether there are any.
    """
    shaped = template_variables(chat)
    messages = linked(chat.messages, lambda number, _: str(number))
    if plans:
        messages = [_planned(message) for message in messages]
    shaped["messages"] = [
        template_message(message, f"messages[{index}]", "object") for index, message in enumerate(messages)
    ]
    shaped["tools"] = [_described(tool) for tool in shaped["tools"] or []]
    return shaped


def _described(tool: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """*tool* with a description of each parameter: templates print it without asking whether there is one."""
    properties = tool["function"]["parameters"].get("properties")
    for schema in properties.values() if isinstance(properties, dict) else ():
        if isinstance(schema, dict):
            schema.setdefault("description", "")
    return tool


def _planned(message: Message) -> Message:
    if not message.tool_calls:
        return message
    plan = "\n\n".join(text for text in (message.reasoning, message.content) if text)
    return msgspec.structs.replace(message, content="", reasoning=plan)
