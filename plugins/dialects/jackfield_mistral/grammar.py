"""Grammars of the family's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from jackfield.parsing.grammars import CallGrammar, lark_text
from jackfield_mistral.marks import ARGUMENTS, CALL_ID, CALLS

if TYPE_CHECKING:
    from jackfield.chat import ChatPrompt, Tool
    from jackfield.ports.constraint import Constraint

CallForm: TypeAlias = Literal["array", "named", "with id"]
"""How a model writes calls: as one array of JSON objects, or each with its name in front, and perhaps an id."""


def grammar_of(chat: ChatPrompt, constraint: Constraint | None, form: CallForm) -> Constraint:
    """The grammar of an answer to *chat*, whose content must look like *constraint*."""
    grammar = CallGrammar(chat, constraint)
    calls = _array(grammar, chat) if form == "array" else _named(grammar, chat, form)
    return grammar.finish(calls)


def _array(grammar: CallGrammar, chat: ChatPrompt) -> str:
    call = grammar.any_of("call", [_object(grammar, tool) for tool in chat.callable])
    several = f"{call} ({lark_text(', ')} {call})*" if chat.parallel_tool_calls else call
    return grammar.rule("calls", f"{grammar.mark(CALLS)} {lark_text('[')} {several} {lark_text(']')}")


def _object(grammar: CallGrammar, tool: Tool) -> str:
    before = lark_text(f'{{"name": "{tool.name}", "arguments": ')
    return f"{before} {grammar.arguments(tool)} {lark_text('}')}"


def _named(grammar: CallGrammar, chat: ChatPrompt, form: CallForm) -> str:
    call_id = ""
    if form == "with id":
        call_id = f"{grammar.mark(CALL_ID)} {grammar.rule('ID', '/[a-zA-Z0-9]{9}/')}"
    bodies = [
        f"{grammar.mark(CALLS)} {lark_text(tool.name)} {call_id} {grammar.mark(ARGUMENTS)} {grammar.arguments(tool)}"
        for tool in chat.callable
    ]
    call = grammar.any_of("call", bodies)
    return grammar.rule("calls", f"{call}+" if chat.parallel_tool_calls else call)
