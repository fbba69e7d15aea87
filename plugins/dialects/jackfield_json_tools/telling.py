"""What models are told of tools whose templates tell them nothing, or not how they are called here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from jackfield.chat import Message
from jackfield.parsing.shaping import template_tool
from jackfield.parsing.turns import by_turns, calls_in_content, system_in_user
from jackfield_json_tools.marks import CALLS, CONTENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.chat import ChatPrompt, JsonValue


class Teller:
    """Shapes conversations for one template. Any thread.

    Parameters:
        template: Jinja source; what it reads is seen by its words.
    """

    def __init__(self, template: str) -> None:
        self._prints_tools = "tools" in template
        # those that write no JSON want the arguments as text, which others would print as a string
        self._takes_calls = "tool_calls" in template and "tojson" in template
        self._takes_system = "system" in template and "system role not supported" not in template.lower()
        self._by_turns = "alternat" in template

    def shaped(self, chat: ChatPrompt) -> tuple[Message, ...]:
        """The messages of *chat*, with all that the template would leave out.

        Raises:
            InvalidRequest: The arguments of an earlier call are no JSON object.
        """
        messages: Sequence[Message] = chat.messages
        if not self._takes_calls:
            messages = [_as_user(message) for message in calls_in_content(messages, _written)]
        if chat.callable:
            messages = _with_system(messages, self._told(chat))
        if not self._takes_system:
            messages = system_in_user(messages)
        return tuple(by_turns(messages) if self._by_turns else messages)

    def _told(self, chat: ChatPrompt) -> str:
        calls = f'{{"{CALLS}": [{{"name": "NAME", "arguments": {{}}}}]}}'
        lines = [
            "You can call tools. Answer with one JSON object and nothing else.",
            f"To call tools: {calls}",
            f'To answer the user: {{"{CONTENT}": "TEXT"}}',
        ]
        if not self._prints_tools:
            lines.append("The tools, each with the JSON Schema of its arguments:")
            lines += [json.dumps(template_tool(tool)["function"], ensure_ascii=False) for tool in chat.callable]
        return "\n".join(lines)


def _with_system(messages: Sequence[Message], text: str) -> list[Message]:
    first = messages[0]
    if first.role in {"system", "developer"}:
        return [msgspec.structs.replace(first, content=f"{first.content}\n\n{text}"), *messages[1:]]
    return [Message("system", text), *messages]


def _as_user(message: Message) -> Message:
    """Results of tools as something that the user tells; other messages as they are."""
    if message.role != "tool":
        return message
    of = message.name or message.tool_call_id
    return Message("user", f"The result of {of}:\n{message.content}")


def _written(calls: Sequence[tuple[str, dict[str, JsonValue]]]) -> str:
    shaped = [{"name": name, "arguments": arguments} for name, arguments in calls]
    return json.dumps({CALLS: shaped}, ensure_ascii=False)
