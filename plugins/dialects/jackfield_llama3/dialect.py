"""Llama 3.1 to 3.3 and Llama 4."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.parsing.grammars import CallGrammar, lark_text, needs_grammar
from jackfield.parsing.shaping import template_variables
from jackfield.ports.dialect import Opening, Traits
from jackfield_llama3.history import single_calls
from jackfield_llama3.marks import END, START, TAG
from jackfield_llama3.reader import Llama3Reader

if TYPE_CHECKING:
    from jackfield.chat import ChatFormat, ChatPrompt, Tool
    from jackfield.ports.constraint import Constraint
    from jackfield.ports.dialect import ChatReader

_FREE: Final = r"/[^\s{\[](.|\n)*/"
"""An answer that does not begin as a call does."""


def llama3(chat_format: ChatFormat, *, named: bool) -> Llama3Dialect | None:
    """See ``DialectFactory``."""
    template = chat_format.template
    third = "<|start_header_id|>" in template and "ipython" in template and '"parameters": ' in template
    # functionary has Llama's tokens, and a form of its own
    ours = (third and "<function=" not in template) or START in template
    return Llama3Dialect() if named or ours else None


class Llama3Dialect:
    """See ``ChatDialect``."""

    traits = Traits()

    def open(self, chat: ChatPrompt, constraint: Constraint | None) -> Opening:
        """See ``ChatDialect``."""
        one_call = bool(chat.callable) and not chat.parallel_tool_calls
        held = one_call or needs_grammar(chat, constraint)
        return Opening(
            variables=template_variables(msgspec.structs.replace(chat, messages=single_calls(chat.messages))),
            constraint=_grammar(chat, constraint) if held else constraint,
            shown_tokens=(TAG, START, END),
        )

    def reader(self, chat: ChatPrompt, prompt_end: str) -> ChatReader:
        """See ``ChatDialect``."""
        return Llama3Reader(prompt_end, {tool.name for tool in chat.callable})


def _grammar(chat: ChatPrompt, constraint: Constraint | None) -> Constraint:
    """Calls in JSON, whatever form the model would choose by itself."""
    grammar = CallGrammar(chat, constraint)
    call = grammar.any_of("call", [_call(grammar, tool) for tool in chat.callable])
    calls = grammar.rule("calls", f"{call} ({lark_text('; ')} {call})*" if chat.parallel_tool_calls else call)
    return grammar.finish(calls, free=f"{calls} | {_FREE}")


def _call(grammar: CallGrammar, tool: Tool) -> str:
    before = lark_text(f'{{"name": "{tool.name}", "parameters": ')
    return f"{before} {grammar.arguments(tool)} {lark_text('}')}"
