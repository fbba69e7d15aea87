"""Chat messages, and how the chat template turns them into a prompt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jinja2

Message = dict[str, Any]
Tool = dict[str, Any]
Turn = tuple[str, str]

TEMPLATE = Path(__file__).with_name("chat_template.jinja").read_text(encoding="utf-8")
SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MARKUP_TOKENS = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>")


def dump(value: object) -> str:
    """Write JSON the way that chat templates do.

    Parameters: any JSON value. Returns its text, not escaped for HTML and with every letter kept.
    """
    return json.dumps(value, ensure_ascii=False)


def _compile() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=False)
    environment.filters["tojson"] = dump
    return environment.from_string(TEMPLATE)


_TEMPLATE = _compile()


def render(messages: list[Message], tools: list[Tool] | None = None, *, prompt: bool = False) -> str:
    """Render a conversation with the model's chat template.

    Parameters: the messages, the tools on offer, and whether to end with the start of an answer (`prompt`). Returns
    the text that the model reads.
    """
    return _TEMPLATE.render(messages=messages, tools=tools, add_generation_prompt=prompt)


def user(content: str) -> Message:
    """Write a user message.

    Parameters: its text. Returns the message.
    """
    return {"role": "user", "content": content}


def assistant(content: str) -> Message:
    """Write an assistant message.

    Parameters: its text. Returns the message.
    """
    return {"role": "assistant", "content": content}


def turns(pairs: list[Turn]) -> list[Message]:
    """Write questions and answers as messages.

    Parameters: pairs of question and answer. Returns user and assistant messages in turn.
    """
    return [message for question, answer in pairs for message in (user(question), assistant(answer))]


def call(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Write one tool call.

    Parameters: the name of the function and its arguments. Returns the entry of a message's `tool_calls`.
    """
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


def calling(*calls: dict[str, Any]) -> Message:
    """Write an assistant message that only calls tools.

    Parameters: the calls. Returns the message.
    """
    return {"role": "assistant", "content": "", "tool_calls": list(calls)}


def tool_result(content: str) -> Message:
    """Write the result of a tool.

    Parameters: its text. Returns the message.
    """
    return {"role": "tool", "content": content}


def call_text(name: str, arguments: dict[str, Any]) -> str:
    """Write the text that the model has to produce for a call.

    Parameters: the name of the function and its arguments. Returns the Hermes markup.
    """
    return "<tool_call>\n" + dump({"name": name, "arguments": arguments}) + "\n</tool_call>"
