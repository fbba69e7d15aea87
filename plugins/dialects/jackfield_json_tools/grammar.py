"""What answers are held to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from jackfield.errors import InvalidRequest
from jackfield.parsing.grammars import CallGrammar, lark_text
from jackfield.ports.constraint import Choice, JsonObject, JsonSchema
from jackfield_json_tools.marks import CALLS, CONTENT, VALUE

if TYPE_CHECKING:
    from jackfield.chat import ChatPrompt, Tool
    from jackfield.ports.constraint import Constraint, GrammarText

_TEXT: Final = '{"type": "string"}'
_OBJECT: Final = '{"type": "object"}'


def answer_grammar(chat: ChatPrompt, constraint: Constraint | None) -> GrammarText:
    """Calls or content, as JSON.

    Parameters:
        chat: The conversation; it has tools that may be called.
        constraint: What the content must look like.

    Raises:
        InvalidRequest: Content in JSON cannot be held to *constraint*.
    """
    grammar = CallGrammar(chat, constraint)
    call = grammar.any_of("call", [_call(grammar, tool) for tool in chat.callable])
    more = f" ({lark_text(', ')} {call})*" if chat.parallel_tool_calls else ""
    before = lark_text(f'{{"{CALLS}": [')
    calls = grammar.rule("calls", f"{before} {call}{more} {lark_text(']}')}")
    if chat.tool_choice.mode == "required":
        return grammar.whole(calls)
    key, value = _content(grammar, constraint)
    before = lark_text(f'{{"{key}": ')
    return grammar.whole(f"{calls} | {before} {value} {lark_text('}')}")


def _call(grammar: CallGrammar, tool: Tool) -> str:
    before = lark_text(f'{{"name": "{tool.name}", "arguments": ')
    return f"{before} {grammar.arguments(tool)} {lark_text('}')}"


def _content(grammar: CallGrammar, constraint: Constraint | None) -> tuple[str, str]:
    """Key and value, the latter in Lark."""
    if constraint is None:
        return CONTENT, grammar.json("tools", _TEXT)
    if isinstance(constraint, Choice):
        texts = [lark_text(json.dumps(text, ensure_ascii=False)) for text in constraint.choices]
        return CONTENT, f"({' | '.join(texts)})"
    if isinstance(constraint, JsonSchema):
        return VALUE, grammar.json(constraint.param, constraint.schema)
    if isinstance(constraint, JsonObject):
        return VALUE, grammar.json(constraint.param, _OBJECT)
    why = "does not go together with tools: this model's answers are JSON then; give one of them"
    raise InvalidRequest(f"{constraint.param} {why}", param=constraint.param)
