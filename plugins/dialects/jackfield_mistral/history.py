"""Conversations as the family's templates take them."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.parsing.history import linked
from jackfield.parsing.shaping import template_message, template_variables
from jackfield_mistral.marks import THINK

if TYPE_CHECKING:
    from jackfield.chat import ChatPrompt, JsonValue, Message

_ID: Final = re.compile(r"[A-Za-z0-9]{9}")


def variables(chat: ChatPrompt, *, thinks: bool, late_system: bool) -> dict[str, JsonValue]:
    """The template's variables.

    Parameters:
        chat: The conversation.
        thinks: Whether the model thinks.
        late_system: Whether the template says what the system says with the last message, if that is the user's, and
            leaves it out otherwise.

    Templates refuse ids of calls that are not nine letters and digits, and know thoughts of earlier answers only as a
    part of what was said.
    """
    shaped = template_variables(chat)
    messages = linked(chat.messages, nine)
    if late_system and messages[-1].role != "user":
        messages = _with_last_user(messages)
    if thinks:
        messages = [_thought(message) for message in messages]
    shaped["messages"] = [
        template_message(message, f"messages[{index}]", "object") for index, message in enumerate(messages)
    ]
    return shaped


def _with_last_user(messages: list[Message]) -> list[Message]:
    """*messages* with what the system says where the template would write it: in front of what the user said last."""
    first, rest = messages[0], messages[1:]
    at = max((index for index, message in enumerate(rest) if message.role == "user"), default=-1)
    if first.role not in {"system", "developer"} or at < 0:
        return messages
    rest[at] = msgspec.structs.replace(rest[at], content=f"{first.content}\n\n{rest[at].content}")
    return rest


def nine(number: int, call_id: str) -> str:
    """An id of nine letters and digits for the call *call_id*: the same each time, so that prompts stay the same."""
    if _ID.fullmatch(call_id):
        return call_id
    return hashlib.blake2b(f"{number} {call_id}".encode(), digest_size=5).hexdigest()[:9]


def _thought(message: Message) -> Message:
    if not message.reasoning:
        return message
    said = f"{THINK.begin}{message.reasoning}{THINK.end}{message.content}"
    return msgspec.structs.replace(message, content=said, reasoning="")
