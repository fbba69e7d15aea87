"""Earlier calls, as the templates take them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.chat import Message


def single_calls(messages: Sequence[Message]) -> tuple[Message, ...]:
    """*messages* with one call a turn, each with its result behind it, and what was said in a turn before. Any thread.

    Templates refuse turns with several calls, and leave out what is said in one with a call.
    """
    results = {message.tool_call_id: message for message in messages if message.role == "tool"}
    shaped: list[Message] = []
    moved: set[str] = set()
    for message in messages:
        if message.role == "tool" and message.tool_call_id in moved:
            continue
        if not message.tool_calls:
            shaped.append(message)
            continue
        if message.content:
            shaped.append(msgspec.structs.replace(message, tool_calls=()))
        for call in message.tool_calls:
            shaped.append(msgspec.structs.replace(message, content="", tool_calls=(call,)))
            if call.id in results:
                shaped.append(results[call.id])
                moved.add(call.id)
    return tuple(shaped)
