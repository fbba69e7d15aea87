"""Conversations as chat templates take them: the shape of Hugging Face's ``apply_chat_template``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

from jackfield.chat import JsonValue
from jackfield.errors import InvalidRequest
from jackfield.parsing.json_text import mended

if TYPE_CHECKING:
    from jackfield.chat import ChatPrompt, Message, Tool, ToolCall

_OBJECT: Final = msgspec.json.Decoder(dict[str, JsonValue])

_RESERVED: Final = frozenset(
    {"add_generation_prompt", "bos_token", "eos_token", "messages", "raise_exception", "strftime_now", "tools"}
)
"""Variables that a request may not set."""


def template_variables(chat: ChatPrompt, *, arguments: Literal["object", "text"] = "object") -> dict[str, JsonValue]:
    """The variables of *chat* for a template of the usual kind. Any thread.

    Parameters:
        chat: The conversation. Tools that may not be called are left out.
        arguments: Whether the template wants the arguments of earlier calls as objects, or as their text.

    Raises:
        InvalidRequest: ``chat_template_kwargs`` sets a variable that is not a request's to set, or the arguments of an
            earlier call are no JSON object.
    """
    for name in chat.template_kwargs:
        if name in _RESERVED:
            path = f"chat_template_kwargs.{name}"
            raise InvalidRequest(f"{path} is not yours to set", param=path)
    return {
        **chat.template_kwargs,
        "messages": [
            template_message(message, f"messages[{index}]", arguments) for index, message in enumerate(chat.messages)
        ],
        "tools": [template_tool(tool) for tool in chat.callable] or None,
    }


def template_message(message: Message, path: str, arguments: Literal["object", "text"]) -> dict[str, JsonValue]:
    """One message; *path* names it in errors."""
    # local templates know no ``developer``; OpenAI's reference calls it the newer name of ``system``
    role = "system" if message.role == "developer" else message.role
    shaped: dict[str, JsonValue] = {"role": role, "content": message.content}
    if message.reasoning:
        shaped["reasoning_content"] = message.reasoning
    if message.tool_calls:
        shaped["tool_calls"] = [_call(call, path, arguments) for call in message.tool_calls]
    if message.tool_call_id:
        shaped["tool_call_id"] = message.tool_call_id
    if message.name:
        shaped["name"] = message.name
    return shaped


def template_tool(tool: Tool) -> dict[str, JsonValue]:
    """One tool, in OpenAI's shape, which templates print."""
    function = {"name": tool.name, "description": tool.description, "parameters": parameters_of(tool)}
    return {"type": "function", "function": function}


def parameters_of(tool: Tool) -> dict[str, JsonValue]:
    """The JSON Schema of the arguments of *tool*.

    Raises:
        InvalidRequest: It is malformed, or nested too deeply.
    """
    if not tool.parameters:
        return {"type": "object", "properties": {}}
    schema = _object_of(tool.parameters)
    if schema is None:
        raise InvalidRequest(f"{tool.param} is no JSON object that could be read", param=tool.param)
    return schema


def _call(call: ToolCall, path: str, arguments: Literal["object", "text"]) -> dict[str, JsonValue]:
    given: JsonValue = call.arguments
    if arguments == "object":
        given = arguments_of(call, path)
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": given}}


def arguments_of(call: ToolCall, path: str) -> dict[str, JsonValue]:
    """The arguments of an earlier call, decoded; *path* is its message's, for errors."""
    value = _object_of(call.arguments or "{}")
    if value is None:
        raise InvalidRequest(f"{path}.tool_calls: the arguments of {call.name} are no JSON object", param=path)
    return value


def _object_of(text: str) -> dict[str, JsonValue] | None:
    """A JSON object, decoded; None where *text* is none. Halves of characters could not be sent to the worker."""
    try:
        return _OBJECT.decode(mended(text))
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
