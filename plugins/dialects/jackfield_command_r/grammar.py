"""Grammars of the family's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jackfield.parsing.grammars import CallGrammar, lark_text
from jackfield_command_r.marks import ACTION, ACTION_END, FENCE, LIST, RESPONSE, TEXT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.chat import ChatPrompt, Tool
    from jackfield.ports.constraint import Constraint

_INDENT: Final = "\n    "
_INDENT_MORE: Final = "\n        "
_CLOSE: Final = "\n]"


def action_grammar(chat: ChatPrompt, constraint: Constraint | None, content_mark: str) -> Constraint:
    """The grammar of an answer to *chat* that has calls between the marks of actions.

    Parameters:
        chat: The conversation.
        constraint: What the content must look like.
        content_mark: What content begins with: ``<|START_RESPONSE|>`` or ``<|START_TEXT|>``.
    """
    grammar = CallGrammar(chat, constraint)
    number = grammar.rule("CALL_NUMBER", "/0|[1-9][0-9]{0,3}/")
    before = _literal(_INDENT, '{"tool_call_id": "')
    bodies = [
        " ".join(
            (
                before,
                number,
                _literal(f'", "tool_name": "{tool.name}", "parameters": '),
                grammar.arguments(tool),
                _literal("}"),
            )
        )
        for tool in chat.callable
    ]
    listed = _listed(grammar, chat, bodies)
    calls = grammar.rule("calls", f"{grammar.mark(ACTION)} {listed} {grammar.mark(ACTION_END)}")
    marks = {mark: grammar.mark(mark) for mark in (RESPONSE, TEXT)}
    content = marks[content_mark]
    return grammar.finish(calls, before=content, free=f"{content} free_text? | {calls}")


def list_grammar(chat: ChatPrompt, constraint: Constraint | None) -> Constraint:
    """The grammar of an answer to *chat* that has calls behind ``Action:``."""
    grammar = CallGrammar(chat, constraint)
    bodies = [" ".join((_head_of(tool), grammar.arguments(tool), _literal(_INDENT, "}"))) for tool in chat.callable]
    calls = grammar.rule("calls", f"{grammar.mark(LIST)} {_listed(grammar, chat, bodies)} {lark_text(FENCE)}")
    return grammar.finish(calls, between=lark_text("\n") + "?")


def _listed(grammar: CallGrammar, chat: ChatPrompt, bodies: Sequence[str]) -> str:
    call = grammar.any_of("call", [*bodies])
    several = f"{call} ({lark_text(',')} {call})*" if chat.parallel_tool_calls else call
    return f"{lark_text('[')} {several} {lark_text(_CLOSE)}"


def _head_of(tool: Tool) -> str:
    return _literal(_INDENT, "{", _INDENT_MORE, f'"tool_name": "{tool.name}",', _INDENT_MORE, '"parameters": ')


def _literal(*parts: str) -> str:
    return lark_text("".join(parts))
