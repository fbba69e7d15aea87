"""gpt-oss: each message of an answer has a channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jackfield.errors import InvalidRequest
from jackfield.parsing.grammars import CallGrammar, lark_text, needs_grammar
from jackfield.ports.dialect import Opening, ThinkingMarks, Traits
from jackfield_harmony.history import variables
from jackfield_harmony.marks import ALL, ANALYSIS, CHANNEL, CONSTRAIN, END, FINAL, FUNCTIONS, MESSAGE, START, TURN
from jackfield_harmony.reader import HarmonyReader

if TYPE_CHECKING:
    from jackfield.chat import ChatFormat, ChatPrompt, Tool
    from jackfield.ports.constraint import Constraint
    from jackfield.ports.dialect import ChatReader

_EFFORTS: Final = ("low", "medium", "high")


def harmony(chat_format: ChatFormat, *, named: bool) -> HarmonyDialect | None:
    """See ``DialectFactory``."""
    template = chat_format.template
    return HarmonyDialect() if named or (CHANNEL in template and MESSAGE in template) else None


class HarmonyDialect:
    """See ``ChatDialect``."""

    def __init__(self) -> None:
        self.traits = Traits(parallel_tool_calls=False, reasoning="always", efforts=_EFFORTS)

    def open(self, chat: ChatPrompt, constraint: Constraint | None) -> Opening:
        """See ``ChatDialect``."""
        shaped = variables(chat)
        effort = chat.thinking.effort
        if effort is not None:
            if effort not in _EFFORTS:
                param = chat.thinking.param
                raise InvalidRequest(f"{param} must be one of {', '.join(_EFFORTS)} for this model", param=param)
            shaped["reasoning_effort"] = effort
        tools = bool(chat.callable)
        # a model whose thoughts were ended would go on with them in the next message
        limited = tools and chat.thinking.budget is not None
        grammar = limited or needs_grammar(chat, constraint)
        return Opening(
            variables=shaped,
            constraint=_grammar(chat, constraint) if grammar else constraint,
            thinking=ThinkingMarks(ANALYSIS, END, after=TURN if tools else TURN + FINAL),
            shown_tokens=ALL,
        )

    def reader(self, chat: ChatPrompt, prompt_end: str) -> ChatReader:
        """See ``ChatDialect``."""
        return HarmonyReader(prompt_end, {tool.name for tool in chat.callable}, continued=chat.continue_final)


def _grammar(chat: ChatPrompt, constraint: Constraint | None) -> Constraint:
    grammar = CallGrammar(chat, constraint)
    channel, message = grammar.mark(CHANNEL), grammar.mark(MESSAGE)
    final = f"{channel} {lark_text('final')} {message}"
    preamble = grammar.rule(
        "preamble",
        f"{channel} {lark_text('commentary')} {message} free_text {grammar.mark(END)}"
        f" {grammar.mark(START)} {lark_text('assistant')}",
    )
    call = grammar.any_of("call", [_call(grammar, tool) for tool in chat.callable])
    return grammar.finish(call, before=final, free=f"{final} free_text? | {preamble}? {call}")


def _call(grammar: CallGrammar, tool: Tool) -> str:
    to = lark_text(f"commentary to={FUNCTIONS}{tool.name} ")
    kind = f"{grammar.mark(CONSTRAIN)} {lark_text('json')}"
    return f"{grammar.mark(CHANNEL)} {to} {kind} {grammar.mark(MESSAGE)} {grammar.arguments(tool)}"
