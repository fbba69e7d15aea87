"""Hermes 2 and 3, Qwen 2.5 and 3: calls as JSON in ``<tool_call>``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.parsing.grammars import CallGrammar, lark_text, needs_grammar
from jackfield.parsing.shaping import template_variables
from jackfield.ports.dialect import Opening, Traits
from jackfield_hermes.marks import CLOSE, OPEN, THINK
from jackfield_hermes.readers import JsonReader

if TYPE_CHECKING:
    from jackfield.chat import ChatFormat, ChatPrompt, Tool
    from jackfield.ports.constraint import Constraint
    from jackfield.ports.dialect import ChatReader


def hermes(chat_format: ChatFormat, *, named: bool) -> HermesDialect | None:
    """See ``DialectFactory``."""
    template = chat_format.template
    if not named and OPEN not in template:
        return None
    return HermesDialect(thinks=THINK.begin in template, switched="enable_thinking" in template)


class HermesDialect:
    """See ``ChatDialect``.

    Parameters:
        thinks: Whether the model thinks.
        switched: Whether the template has a switch for that.
    """

    def __init__(self, *, thinks: bool, switched: bool) -> None:
        self.traits = Traits(reasoning=("optional" if switched else "always") if thinks else "none")

    def open(self, chat: ChatPrompt, constraint: Constraint | None) -> Opening:
        """See ``ChatDialect``."""
        variables = template_variables(chat)
        if chat.thinking.enabled is not None:
            variables["enable_thinking"] = chat.thinking.enabled
        grammar = needs_grammar(chat, constraint)
        one_call = bool(chat.callable) and not chat.parallel_tool_calls and not grammar
        return Opening(
            variables=variables,
            constraint=_grammar(chat, constraint) if grammar else constraint,
            thinking=THINK if self.traits.reasoning != "none" else None,
            shown_tokens=(OPEN, CLOSE, THINK.begin, THINK.end),
            stop=(CLOSE,) if one_call else (),
        )

    def reader(self, chat: ChatPrompt, prompt_end: str) -> ChatReader:
        """See ``ChatDialect``."""
        return JsonReader(prompt_end, {tool.name for tool in chat.callable})


def _grammar(chat: ChatPrompt, constraint: Constraint | None) -> Constraint:
    grammar = CallGrammar(chat, constraint)
    newline = lark_text("\n")
    body = grammar.any_of("body", [_body(grammar, tool) for tool in chat.callable])
    call = grammar.rule("call", f"{grammar.mark(OPEN)} {newline} {body} {newline} {grammar.mark(CLOSE)}")
    calls = grammar.rule("calls", f"{call} ({newline} {call})*" if chat.parallel_tool_calls else call)
    return grammar.finish(calls, between=f"{newline}?")


def _body(grammar: CallGrammar, tool: Tool) -> str:
    before = lark_text(f'{{"name": "{tool.name}", "arguments": ')
    return f"{before} {grammar.arguments(tool)} {lark_text('}')}"
