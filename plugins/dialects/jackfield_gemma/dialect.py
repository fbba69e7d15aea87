"""Which generation a template is of; Gemma 4 itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.parsing.grammars import CallGrammar, lark_text, needs_grammar
from jackfield.parsing.shaping import template_variables
from jackfield.ports.dialect import Opening, Traits
from jackfield_gemma.instructed import InstructedDialect
from jackfield_gemma.marks import CLOSE, OPEN, QUOTE, RESULT, THINK
from jackfield_gemma.reader import Gemma4Reader
from jackfield_gemma.value_grammar import ValueGrammar

if TYPE_CHECKING:
    from jackfield.chat import ChatFormat, ChatPrompt
    from jackfield.ports.constraint import Constraint
    from jackfield.ports.dialect import ChatDialect, ChatReader

_TURN = "<start_of_turn>"
"""Of Gemma 2 and 3."""

_SWITCH = "enable_thinking"


def gemma(chat_format: ChatFormat, *, named: bool) -> ChatDialect | None:
    """See ``DialectFactory``."""
    if OPEN in chat_format.template:
        return Gemma4Dialect()
    return InstructedDialect() if named or _TURN in chat_format.template else None


class Gemma4Dialect:
    """See ``ChatDialect``."""

    def __init__(self) -> None:
        self.traits = Traits(reasoning="optional")

    def open(self, chat: ChatPrompt, constraint: Constraint | None) -> Opening:
        """See ``ChatDialect``."""
        variables = template_variables(chat)
        if chat.thinking.enabled is not None:
            variables[_SWITCH] = chat.thinking.enabled
        grammar = needs_grammar(chat, constraint)
        one_call = bool(chat.callable) and not chat.parallel_tool_calls and not grammar
        return Opening(
            variables=variables,
            constraint=_grammar(chat, constraint) if grammar else constraint,
            thinking=THINK,
            shown_tokens=(OPEN, CLOSE, QUOTE, RESULT, "<|channel>", THINK.end),
            stop=(CLOSE, RESULT) if one_call else (RESULT,),
        )

    def reader(self, chat: ChatPrompt, prompt_end: str) -> ChatReader:
        """See ``ChatDialect``."""
        return Gemma4Reader(prompt_end, {tool.name for tool in chat.callable})


def _grammar(chat: ChatPrompt, constraint: Constraint | None) -> Constraint:
    grammar = CallGrammar(chat, constraint)
    values = ValueGrammar(grammar)
    bodies = [f"{lark_text(f'call:{tool.name}')} {values.arguments(tool)}" for tool in chat.callable]
    body = grammar.any_of("body", bodies)
    call = grammar.rule("call", f"{grammar.mark(OPEN)} {body} {grammar.mark(CLOSE)}")
    return grammar.finish(grammar.rule("calls", f"{call}+" if chat.parallel_tool_calls else call))
