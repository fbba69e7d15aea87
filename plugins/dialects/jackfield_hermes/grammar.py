"""Grammars of the family's calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jackfield.parsing.grammars import CallGrammar, lark_text
from jackfield.parsing.tagged_grammar import TagForm, TaggedGrammar
from jackfield_hermes.marks import CLOSE, FUNCTION, FUNCTION_END, OPEN, PARAMETER, PARAMETER_END

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.chat import ChatPrompt, Tool
    from jackfield.ports.constraint import Constraint

_FORM: Final = TagForm(f"{PARAMETER}{{}}>\n", f"\n{PARAMETER_END}\n")


def call_grammar(chat: ChatPrompt, constraint: Constraint | None, *, tagged: bool) -> Constraint:
    """What an answer to *chat* must look like.

    Parameters:
        chat: The conversation; it has tools that may be called.
        constraint: What the content must look like.
        tagged: Whether parameters stand between tags; otherwise calls are JSON.
    """
    grammar = CallGrammar(chat, constraint)
    body_of = _tagged(grammar) if tagged else _json(grammar)
    newline = lark_text("\n")
    body = grammar.any_of("body", [body_of(tool) for tool in chat.callable])
    call = grammar.rule("call", f"{grammar.mark(OPEN)} {newline} {body} {newline} {grammar.mark(CLOSE)}")
    calls = grammar.rule("calls", f"{call} ({newline} {call})*" if chat.parallel_tool_calls else call)
    return grammar.finish(calls, between=f"{newline}?")


def _json(grammar: CallGrammar) -> Callable[[Tool], str]:
    def body(tool: Tool) -> str:
        before = lark_text(f'{{"name": "{tool.name}", "arguments": ')
        return f"{before} {grammar.arguments(tool)} {lark_text('}')}"

    return body


def _tagged(grammar: CallGrammar) -> Callable[[Tool], str]:
    parameters = TaggedGrammar(grammar, _FORM)

    def body(tool: Tool) -> str:
        return (
            f"{lark_text(f'{FUNCTION}{tool.name}>{chr(10)}')} {parameters.parameters(tool)} {lark_text(FUNCTION_END)}"
        )

    return body
