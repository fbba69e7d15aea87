"""Phi-4-mini and Phi-4-reasoning."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from jackfield.parsing.grammars import CallGrammar, lark_text, needs_grammar
from jackfield.parsing.shaping import template_tool, template_variables
from jackfield.parsing.turns import calls_in_content, system_in_user
from jackfield.ports.dialect import Opening, Traits
from jackfield_phi.marks import CLOSE, FUNCTOOLS, OPEN, THINK
from jackfield_phi.reader import PhiReader

if TYPE_CHECKING:
    from jackfield.chat import ChatFormat, ChatPrompt, JsonValue, Tool
    from jackfield.ports.constraint import Constraint
    from jackfield.ports.dialect import ChatReader

_TOLD = "<|tool|>"
"""Where tools stand in the prompts of Phi-4-mini."""

_FAMILY = "<|im_sep|>"
"""Of Phi-4; without thoughts it has nothing that needs a dialect."""


def phi(chat_format: ChatFormat, *, named: bool) -> PhiDialect | None:
    """See ``DialectFactory``."""
    template = chat_format.template
    calls = _TOLD in template or FUNCTOOLS[:-1] in template
    thinks = THINK.begin in template
    if not (named or _TOLD in template or (thinks and _FAMILY in template)):
        return None
    return PhiDialect(template, calls=calls, thinks=thinks)


class PhiDialect:
    """See ``ChatDialect``.

    Parameters:
        template: The model's.
        calls: Whether it tells the model of tools.
        thinks: Whether the model thinks.
    """

    def __init__(self, template: str, *, calls: bool, thinks: bool) -> None:
        self.traits = Traits(tools=calls, parallel_tool_calls=calls, reasoning="always" if thinks else "none")
        self._functools = FUNCTOOLS[:-1] in template
        self._tools_in_message = any(text in template for text in ("message['tools']", 'message["tools"]'))
        self._keeps_calls = "tool_calls" in template
        # Phi-4-reasoning has a system message of its own, and leaves others out
        self._takes_system = any(text in template for text in ("'system'", '"system"', "message['role'] +"))

    def open(self, chat: ChatPrompt, constraint: Constraint | None) -> Opening:
        """See ``ChatDialect``."""
        grammar = needs_grammar(chat, constraint) or (bool(chat.callable) and not chat.parallel_tool_calls)
        return Opening(
            variables=self._variables(chat),
            constraint=self._grammar(chat, constraint) if grammar else constraint,
            thinking=THINK if self.traits.reasoning != "none" else None,
            shown_tokens=(OPEN, CLOSE, THINK.begin, THINK.end),
        )

    def reader(self, chat: ChatPrompt, prompt_end: str) -> ChatReader:
        """See ``ChatDialect``."""
        thinks = self.traits.reasoning != "none"
        return PhiReader(prompt_end, {tool.name for tool in chat.callable}, thinks=thinks)

    def _variables(self, chat: ChatPrompt) -> dict[str, JsonValue]:
        messages = chat.messages
        if not self._keeps_calls:
            messages = tuple(calls_in_content(messages, self._written))
        if not self._takes_system:
            messages = tuple(system_in_user(messages))
        variables = template_variables(msgspec.structs.replace(chat, messages=messages))
        if self._tools_in_message:
            variables["messages"] = _with_tools(variables["messages"], chat)
        return variables

    def _written(self, calls: list[tuple[str, dict[str, JsonValue]]]) -> str:
        listed = json.dumps([{"name": name, "arguments": arguments} for name, arguments in calls], ensure_ascii=False)
        return f"{FUNCTOOLS}{listed[1:]}" if self._functools else f"{OPEN}{listed}{CLOSE}"

    def _grammar(self, chat: ChatPrompt, constraint: Constraint | None) -> Constraint:
        grammar = CallGrammar(chat, constraint)
        call = grammar.any_of("call", [_call(grammar, tool) for tool in chat.callable])
        more = f"({lark_text(', ')} {call})*" if chat.parallel_tool_calls else ""
        if self._functools:
            begin, end = grammar.mark(FUNCTOOLS), lark_text("]")
        else:
            begin, end = f"{grammar.mark(OPEN)} {lark_text('[')}", f"{lark_text(']')} {grammar.mark(CLOSE)}"
        return grammar.finish(grammar.rule("calls", f"{begin} {call} {more} {end}"))


def _call(grammar: CallGrammar, tool: Tool) -> str:
    before = lark_text(f'{{"name": "{tool.name}", "arguments": ')
    return f"{before} {grammar.arguments(tool)} {lark_text('}')}"


def _with_tools(messages: list[dict[str, JsonValue]], chat: ChatPrompt) -> list[dict[str, JsonValue]]:
    """*messages* for a template that looks for tools in the system's, and prints any role."""
    shaped = [{**message, "role": "tool_response"} if message["role"] == "tool" else message for message in messages]
    if not chat.callable:
        return shaped
    if not any(message["role"] == "system" for message in shaped):
        shaped.insert(0, {"role": "system", "content": ""})
    first = next(index for index, message in enumerate(shaped) if message["role"] == "system")
    told = json.dumps([template_tool(tool)["function"] for tool in chat.callable], ensure_ascii=False)
    shaped[first] = {**shaped[first], "tools": told}
    return shaped
