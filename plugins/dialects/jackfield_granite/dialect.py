"""Granite 3.0 to 4.1."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from jackfield.parsing.grammars import CallGrammar, lark_text, needs_grammar
from jackfield.parsing.shaping import template_variables
from jackfield.parsing.turns import calls_in_content
from jackfield.ports.dialect import Opening, Traits
from jackfield_granite.forms import LISTED, RESPONSE, RESPONSE_END, SINGLE, THINK, THINK_IN_WORDS
from jackfield_granite.reader import GraniteReader

if TYPE_CHECKING:
    from jackfield.chat import ChatFormat, ChatPrompt, JsonValue, Tool
    from jackfield.ports.constraint import Constraint
    from jackfield.ports.dialect import ChatReader, ThinkingMarks
    from jackfield_granite.forms import CallForm

_FAMILY = "<|start_of_role|>"
_SWITCH = "thinking"


def granite(chat_format: ChatFormat, *, named: bool) -> GraniteDialect | None:
    """See ``DialectFactory``."""
    template = chat_format.template
    if not named and _FAMILY not in template:
        return None
    return GraniteDialect(
        LISTED if LISTED.open in template else SINGLE, _thinking(template), keeps_calls="tool_calls" in template
    )


def _thinking(template: str) -> ThinkingMarks | None:
    if THINK.begin in template:
        return THINK
    return THINK_IN_WORDS if THINK_IN_WORDS.begin.removesuffix(":") in template else None


class GraniteDialect:
    """See ``ChatDialect``.

    Parameters:
        form: How the model writes calls.
        thinking: How it marks thoughts; None where it has none.
        keeps_calls: Whether the template shows the calls of earlier turns.
    """

    def __init__(self, form: CallForm, thinking: ThinkingMarks | None, *, keeps_calls: bool) -> None:
        self.traits = Traits(reasoning="none" if thinking is None else "optional")
        self._form = form
        self._thinking = thinking
        self._keeps_calls = keeps_calls

    def open(self, chat: ChatPrompt, constraint: Constraint | None) -> Opening:
        """See ``ChatDialect``."""
        variables = template_variables(chat if self._keeps_calls else _with_calls_written(chat))
        if chat.thinking.enabled is not None and self._thinking is not None:
            variables[_SWITCH] = chat.thinking.enabled
        grammar = needs_grammar(chat, constraint) or self._one_listed(chat)
        one_call = bool(chat.callable) and not chat.parallel_tool_calls and not grammar
        marks = (THINK.begin, THINK.end, RESPONSE, RESPONSE_END) if self._thinking is THINK else ()
        return Opening(
            variables=variables,
            constraint=self._grammar(chat, constraint) if grammar else constraint,
            thinking=self._thinking,
            shown_tokens=(*filter(None, (self._form.open, self._form.close)), *marks),
            stop=(self._form.close,) if one_call else (),
        )

    def reader(self, chat: ChatPrompt, prompt_end: str) -> ChatReader:
        """See ``ChatDialect``."""
        return GraniteReader(prompt_end, {tool.name for tool in chat.callable}, self._form, self._thinking)

    def _one_listed(self, chat: ChatPrompt) -> bool:
        """Whether a list must be kept from having more than one call; no mark ends the first."""
        return self._form.listed and bool(chat.callable) and not chat.parallel_tool_calls

    def _grammar(self, chat: ChatPrompt, constraint: Constraint | None) -> Constraint:
        grammar = CallGrammar(chat, constraint)
        call = grammar.any_of("call", [_call(grammar, tool) for tool in chat.callable])
        if self._form.listed:
            more = f"({lark_text(', ')} {call})*" if chat.parallel_tool_calls else ""
            calls = f"{grammar.mark(self._form.open)} {lark_text('[')} {call} {more} {lark_text(']')}"
            return grammar.finish(grammar.rule("calls", calls))
        line = lark_text("\n")
        marked = f"{grammar.mark(self._form.open)} {line} {call} {line} {grammar.mark(self._form.close)}"
        one = grammar.rule("marked", marked)
        calls = grammar.rule("calls", f"{one} ({line} {one})*" if chat.parallel_tool_calls else one)
        return grammar.finish(calls, between=f"{line}?")


def _call(grammar: CallGrammar, tool: Tool) -> str:
    before = lark_text(f'{{"name": "{tool.name}", "arguments": ')
    return f"{before} {grammar.arguments(tool)} {lark_text('}')}"


def _with_calls_written(chat: ChatPrompt) -> ChatPrompt:
    """*chat* for the templates of 3.x, which leave earlier calls out."""

    def write(calls: list[tuple[str, dict[str, JsonValue]]]) -> str:
        listed = [{"name": name, "arguments": arguments} for name, arguments in calls]
        return LISTED.open + json.dumps(listed, ensure_ascii=False)

    return msgspec.structs.replace(chat, messages=tuple(calls_in_content(chat.messages, write)))
