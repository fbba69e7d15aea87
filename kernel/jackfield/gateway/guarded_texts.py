"""All texts of work for a model, and the same work with others in their places."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from jackfield.chat import ChatPrompt
from jackfield.errors import ContentBlocked
from jackfield.json_leaves import mapped_leaves
from jackfield.pooled import PairPrompt
from jackfield.types import GenerateRequest, InfillPrompt, TemplatePrompt, TextPrompt

if TYPE_CHECKING:
    from jackfield.chat import JsonValue, Message, Tool, ToolCall
    from jackfield.gateway.work import WorkT
    from jackfield.ports.guardrail import Channel
    from jackfield.types import Prompt, TokenPrompt


_ID: Final = re.compile(r"[A-Za-z0-9_.:|/=+-]{0,128}\Z")
"""Ids as servers make them: no text that anybody reads."""


class Visit(Protocol):
    """What becomes of one text."""

    def __call__(self, text: str, channel: Channel = "content", role: str = "", /) -> str:
        """The text that stands in its place; the same one where it may stay."""
        ...


def mapped(work: WorkT, visit: Visit) -> WorkT:
    """*work* with what *visit* makes of each text in it, which is called in the same order each time. Any thread.

    Prompts of token ids have no text, and stay.

    Raises:
        ContentBlocked: *visit* makes something else of the name of a tool.
    """
    visit = _seen(visit)
    if isinstance(work, GenerateRequest):
        prompt = _prompt(work.prompt, visit)
        return work if prompt is work.prompt else msgspec.structs.replace(work, prompt=prompt)
    inputs = tuple(_input(each, visit) for each in work.inputs)
    return work if inputs == work.inputs else msgspec.structs.replace(work, inputs=inputs)


def _seen(visit: Visit) -> Visit:
    """*visit*, which empty texts do not bother."""

    def seen(text: str, channel: Channel = "content", role: str = "", /) -> str:
        return visit(text, channel, role) if text else text

    return seen


def _input(given: TextPrompt | TokenPrompt | PairPrompt, visit: Visit) -> TextPrompt | TokenPrompt | PairPrompt:
    if isinstance(given, PairPrompt):
        return PairPrompt(visit(given.query), visit(given.document))
    if isinstance(given, TextPrompt):
        return msgspec.structs.replace(given, text=visit(given.text))
    return given


def _prompt(prompt: Prompt, visit: Visit) -> Prompt:
    if isinstance(prompt, ChatPrompt):
        return _chat(prompt, visit)
    if isinstance(prompt, TextPrompt):
        return msgspec.structs.replace(prompt, text=visit(prompt.text))
    if isinstance(prompt, InfillPrompt):
        return InfillPrompt(
            visit(prompt.prefix),
            visit(prompt.suffix),
            tuple((visit(name), visit(text)) for name, text in prompt.files),
            visit(prompt.begun),
        )
    if isinstance(prompt, TemplatePrompt):
        variables = _value(msgspec.json.decode(prompt.variables), visit, "system")
        return msgspec.structs.replace(prompt, variables=msgspec.json.encode(variables))
    return prompt


def _chat(chat: ChatPrompt, visit: Visit) -> ChatPrompt:
    return msgspec.structs.replace(
        chat,
        messages=tuple(_message(message, visit) for message in chat.messages),
        tools=tuple(_tool(tool, visit) for tool in chat.tools),
        template_kwargs={name: _value(each, visit, _speaker(name)) for name, each in chat.template_kwargs.items()},
    )


def _message(message: Message, visit: Visit) -> Message:
    role = message.role
    _identified(message.tool_call_id, visit, role)
    return msgspec.structs.replace(
        message,
        content=visit(message.content, "content", role),
        name=_kept(message.name, visit, role) if role == "tool" else visit(message.name, "content", role),
        reasoning=visit(message.reasoning, "reasoning", role),
        tool_calls=tuple(_call(call, visit, role) for call in message.tool_calls),
    )


def _call(call: ToolCall, visit: Visit, role: str) -> ToolCall:
    _kept(call.name, visit, role)
    _identified(call.id, visit, role)
    arguments = mapped_leaves(call.arguments, lambda text: visit(text, "arguments", role))
    return call if arguments == call.arguments else msgspec.structs.replace(call, arguments=arguments)


def _tool(tool: Tool, visit: Visit) -> Tool:
    """What is said of a tool is an instruction as good as any, and so is what it is called."""
    _kept(tool.name, visit, "system")
    return msgspec.structs.replace(
        tool,
        description=visit(tool.description, "content", "system"),
        parameters=mapped_leaves(tool.parameters, lambda text: visit(text, "content", "system")),
    )


def _kept(name: str, visit: Visit, role: str) -> str:
    """The *name* of a tool, by which calls and answers find each other: it passes as it is, or not at all.

    Raises:
        ContentBlocked: Something else is to stand in its place.
    """
    if visit(name, "content", role) != name:
        raise ContentBlocked("a guardrail masks something in the name of a tool or the id of a call: use another one")
    return name


def _identified(call: str, visit: Visit, role: str) -> None:
    """The id of a *call*, which some templates show: judged where it is more than an id; raises as ``_kept``."""
    if not _ID.match(call):
        _kept(call, visit, role)


def _speaker(variable: str) -> str:
    """The role of what the template's *variable* holds: documents are found somewhere, as what tools say is."""
    return "tool" if variable == "documents" else "system"


def _value(value: JsonValue, visit: Visit, role: str) -> JsonValue:
    """What is in *value*; a number of which *visit* makes something else becomes a text.

    Names of members pass as they are, or not at all: some templates look for them, others show them.
    """
    if isinstance(value, str):
        return visit(value, "content", role)
    if isinstance(value, list):
        return [_value(each, visit, role) for each in value]
    if isinstance(value, dict):
        return {_kept(name, visit, role): _value(each, visit, role) for name, each in value.items()}
    if value is None or isinstance(value, bool):
        return value
    written = str(value)
    new = visit(written, "content", role)
    return value if new == written else new
