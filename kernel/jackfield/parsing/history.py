"""Calls of earlier turns and their results, as templates take them that go by order or by ids of their own."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Sequence

    from jackfield.chat import Message, ToolCall


def linked(messages: Sequence[Message], new_id: Callable[[int, str], str]) -> list[Message]:
    """*messages* with the results of calls in the order of the calls, under new ids. Any thread.

    A result without an id is that of the first call without one that has its name, or of the first one at all. Results
    that belong to no call stay behind the others, as they are.

    Parameters:
        messages: The conversation.
        new_id: Makes the id of a call of its number, from 0 on through the conversation, and of the id that it had.
    """
    shaped: list[Message] = []
    number = 0
    at = 0
    while at < len(messages):
        message = messages[at]
        at += 1
        if not message.tool_calls:
            shaped.append(message)
            continue
        end = at
        while end < len(messages) and messages[end].role == "tool":
            end += 1
        ids = [new_id(number + index, call.id) for index, call in enumerate(message.tool_calls)]
        shaped.append(_renamed(message, ids))
        shaped += _results(message.tool_calls, messages[at:end], ids)
        number += len(ids)
        at = end
    return shaped


def _renamed(message: Message, ids: Sequence[str]) -> Message:
    calls = zip(message.tool_calls, ids, strict=True)
    return msgspec.structs.replace(
        message, tool_calls=tuple(msgspec.structs.replace(call, id=new) for call, new in calls)
    )


def _results(calls: Sequence[ToolCall], results: Sequence[Message], ids: Sequence[str]) -> list[Message]:
    placed: dict[int, Message] = {}
    others: list[Message] = []
    by_id = _indices(call.id for call in calls)
    by_name = _indices(call.name for call in calls)
    anyone = deque(range(len(calls)))
    for result in results:
        named = by_name.get(result.name, _NOBODY)
        fitting = (by_id.get(result.tool_call_id, _NOBODY),) if result.tool_call_id else (named, anyone)
        index = next((queue[0] for queue in fitting if _drop(queue, placed)), None)
        if index is None:
            others.append(result)
        else:
            placed[index] = msgspec.structs.replace(result, tool_call_id=ids[index], name=calls[index].name)
    return [*(placed[index] for index in sorted(placed)), *others]


_NOBODY: Final[deque[int]] = deque()


def _indices(keys: Iterable[str]) -> dict[str, deque[int]]:
    """Where each of *keys* stands."""
    found: dict[str, deque[int]] = {}
    for index, key in enumerate(keys):
        found.setdefault(key, deque()).append(index)
    return found


def _drop(queue: deque[int], placed: Container[int]) -> bool:
    """Drop the first of *queue* as long as they are *placed*; whether any is left."""
    while queue and queue[0] in placed:
        queue.popleft()
    return bool(queue)


def one_call_each(messages: Sequence[Message]) -> list[Message]:
    """*messages*, which are linked, with a message of its own for each call, and its result behind it. Any thread.

    What was thought and said goes with the first call.
    """
    shaped: list[Message] = []
    at = 0
    while at < len(messages):
        message = messages[at]
        at += 1
        if len(message.tool_calls) <= 1:
            shaped.append(message)
            continue
        results: dict[str, Message] = {}
        while at < len(messages) and messages[at].role == "tool":
            results[messages[at].tool_call_id] = messages[at]
            at += 1
        for call in message.tool_calls:
            shaped.append(msgspec.structs.replace(message, tool_calls=(call,)))
            message = msgspec.structs.replace(message, content="", reasoning="")
            if call.id in results:
                shaped.append(results.pop(call.id))
        shaped += results.values()
    return shaped
