"""Grammars of the family's answers with JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.parsing.grammars import CallGrammar, lark_text
from jackfield_deepseek.marks import CALL, CALL_END, CALLS, CALLS_END, FENCE, SEPARATOR
from jackfield_deepseek.tagged_grammar import tagged_calls

if TYPE_CHECKING:
    from jackfield.chat import ChatPrompt, Tool
    from jackfield.ports.constraint import Constraint
    from jackfield_deepseek.marks import CallForm


def grammar_of(chat: ChatPrompt, constraint: Constraint | None, form: CallForm, block: str) -> Constraint:
    """The grammar of an answer to *chat*, whose content must look like *constraint*.

    Parameters:
        chat: The conversation.
        constraint: What the content must look like.
        form: How the model writes arguments.
        block: The tag around calls, where they have tags.

    Raises:
        InvalidRequest: A strict schema cannot be held in this form.
    """
    grammar = CallGrammar(chat, constraint)
    calls = tagged_calls(grammar, chat, block) if form == "tagged" else _json_calls(grammar, chat, form)
    return grammar.finish(calls, between=lark_text("\n\n") + "?")


def _json_calls(grammar: CallGrammar, chat: ChatPrompt, form: CallForm) -> str:
    call = grammar.any_of("call", [_call(grammar, tool, form) for tool in chat.callable])
    between = lark_text("\n") if form == "fenced" else ""
    several = f"{call} ({between} {call})*" if chat.parallel_tool_calls else call
    return grammar.rule("calls", f"{grammar.mark(CALLS)} {several} {grammar.mark(CALLS_END)}")


def _call(grammar: CallGrammar, tool: Tool, form: CallForm) -> str:
    begin, separator, end = grammar.mark(CALL), grammar.mark(SEPARATOR), grammar.mark(CALL_END)
    arguments = grammar.arguments(tool)
    if form == "bare":
        return f"{begin} {lark_text(tool.name)} {separator} {arguments} {end}"
    before, after = lark_text(f"{tool.name}\n{FENCE}json\n"), lark_text(f"\n{FENCE}")
    return f"{begin} {lark_text('function')} {separator} {before} {arguments} {after} {end}"
