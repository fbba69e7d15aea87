"""GLM 4.5 to 4.7."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.parsing.grammars import CallGrammar, lark_text, needs_grammar
from jackfield.parsing.shaping import template_variables
from jackfield.parsing.tagged_grammar import TagForm, TaggedGrammar
from jackfield.ports.dialect import Opening, ThinkingMarks, Traits
from jackfield_glm.marks import CLOSE, KEY, KEY_END, OPEN, THINK, THINK_END, VALUE, VALUE_END
from jackfield_glm.reader import GlmReader

if TYPE_CHECKING:
    from jackfield.chat import ChatFormat, ChatPrompt, Tool
    from jackfield.ports.constraint import Constraint
    from jackfield.ports.dialect import ChatReader

_SWITCH = "enable_thinking"


def glm(chat_format: ChatFormat, *, named: bool) -> GlmDialect | None:
    """See ``DialectFactory``."""
    template = chat_format.template
    if not named and KEY not in template:
        return None
    return GlmDialect(
        thinks=THINK in template,
        switched=_SWITCH in template,
        # 4.7 writes no line breaks any more; where a template only shows it by variables, it is the newer form
        separator="\n" if any(f"{KEY_END}{line}{VALUE}" in template for line in ("\n", r"\n")) else "",
    )


class GlmDialect:
    """See ``ChatDialect``.

    Parameters:
        thinks: Whether the model thinks.
        switched: Whether the template has a switch for that.
        separator: What stands between the marks of a call.
    """

    def __init__(self, *, thinks: bool, switched: bool, separator: str) -> None:
        self.traits = Traits(reasoning=("optional" if switched else "always") if thinks else "none")
        self._separator = separator

    def open(self, chat: ChatPrompt, constraint: Constraint | None) -> Opening:
        """See ``ChatDialect``."""
        variables = template_variables(chat)
        if chat.thinking.enabled is not None:
            variables[_SWITCH] = chat.thinking.enabled
        grammar = needs_grammar(chat, constraint)
        one_call = bool(chat.callable) and not chat.parallel_tool_calls and not grammar
        thinks = self.traits.reasoning != "none"
        return Opening(
            variables=variables,
            constraint=self._grammar(chat, constraint) if grammar else constraint,
            thinking=ThinkingMarks(THINK, THINK_END, self._separator) if thinks else None,
            shown_tokens=(OPEN, CLOSE, KEY, KEY_END, VALUE, VALUE_END, THINK, THINK_END),
            stop=(CLOSE,) if one_call else (),
        )

    def reader(self, chat: ChatPrompt, prompt_end: str) -> ChatReader:
        """See ``ChatDialect``."""
        return GlmReader(prompt_end, {tool.name: tool for tool in chat.callable})

    def _grammar(self, chat: ChatPrompt, constraint: Constraint | None) -> Constraint:
        grammar = CallGrammar(chat, constraint)
        marks = (KEY, KEY_END, VALUE, VALUE_END)
        form = TagForm(f"{KEY}{{}}{KEY_END}{self._separator}{VALUE}", f"{VALUE_END}{self._separator}", marks)
        tagged = TaggedGrammar(grammar, form)
        body = grammar.any_of("body", [self._body(tagged, tool) for tool in chat.callable])
        call = grammar.rule("call", f"{grammar.mark(OPEN)} {body} {grammar.mark(CLOSE)}")
        between = lark_text(self._separator) if self._separator else ""
        calls = grammar.rule("calls", f"{call} ({between} {call})*" if chat.parallel_tool_calls else call)
        return grammar.finish(calls, between=f"{between}?" if between else "")

    def _body(self, tagged: TaggedGrammar, tool: Tool) -> str:
        return f"{lark_text(tool.name + self._separator)} {tagged.parameters(tool)}"
