"""Grammars of the families' answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.parsing.grammars import CallGrammar, lark_text
from jackfield.parsing.tagged_grammar import TagForm, TaggedGrammar
from jackfield_families.forms import is_mark

if TYPE_CHECKING:
    from jackfield.chat import ChatPrompt, Tool
    from jackfield.ports.constraint import Constraint
    from jackfield_families.forms import CallMarks, Form


def grammar_of(chat: ChatPrompt, constraint: Constraint | None, form: Form) -> Constraint:
    """The grammar of an answer to *chat*, whose content must look like *constraint*.

    Raises:
        InvalidRequest: A strict schema cannot be held in this form.
    """
    return _Writer(chat, constraint, form).whole()


class _Writer:
    """Writes one grammar."""

    def __init__(self, chat: ChatPrompt, constraint: Constraint | None, form: Form) -> None:
        self._chat = chat
        self._form = form
        self._grammar = CallGrammar(chat, constraint)
        self._several = chat.parallel_tool_calls and not form.single
        self._line = lark_text(form.line) if form.line else ""

    def whole(self) -> Constraint:
        between = f"{self._line}?" if self._line else ""
        calls = self._listed() if self._form.call is None else self._marked(self._form.call)
        return self._grammar.finish(self._grammar.rule("calls", calls), between=between)

    def _listed(self) -> str:
        """Calls in JSON, also of models that write Python by themselves: both are read."""
        form, grammar = self._form, self._grammar
        write = self._keyed if form.style == "keyed" else self._object
        call = grammar.any_of("call", [write(tool) for tool in self._chat.callable])
        end = grammar.mark(form.end) if form.end else ""
        if form.style == "lines":
            more = f"({self._line} {call})*" if self._several else ""
            return f"{grammar.mark(form.begin)} {self._line} {call} {more} {self._line} {end}"
        more = f"({lark_text(', ')} {call})*" if self._several else ""
        return f"{grammar.mark(form.begin)} {lark_text('[')} {call} {more} {lark_text(']')} {end}"

    def _object(self, tool: Tool) -> str:
        before = lark_text(f'{{"name": "{tool.name}", "arguments": ')
        return f"{before} {self._grammar.arguments(tool)} {lark_text('}')}"

    def _keyed(self, tool: Tool) -> str:
        before = lark_text(f'{{"{tool.name}": ')
        return f"{before} {self._grammar.arguments(tool)} {lark_text('}')}"

    def _marked(self, marks: CallMarks) -> str:
        form, grammar = self._form, self._grammar
        if marks.numbered:
            grammar.rule("NUMBER", "/:[0-9]{1,3}/")
        tagged = self._tagged_grammar()
        call = grammar.any_of("call", [self._call(tool, marks, tagged) for tool in self._chat.callable])
        between = self._line or lark_text("\n") + "?"
        several = f"{call} ({between} {call})*" if self._several else call
        if not form.begin:
            return several
        return f"{grammar.mark(form.begin)} {self._line} {several} {self._line} {grammar.mark(form.end)}"

    def _tagged_grammar(self) -> TaggedGrammar | None:
        tags = self._form.tags
        if tags is None:
            return None
        between = f"{tags.name_end}\n{tags.value_begin}" if tags.value_begin else tags.name_end
        marks = tuple(text for text in (tags.begin, tags.name_end, tags.value_begin, tags.end) if is_mark(text))
        form = TagForm(f"{tags.begin}{{}}{between}", f"{tags.end}{self._form.line}", marks)
        return TaggedGrammar(self._grammar, form)

    def _call(self, tool: Tool, marks: CallMarks, tagged: TaggedGrammar | None) -> str:
        grammar = self._grammar
        name_end = grammar.mark(marks.name_end) if is_mark(marks.name_end) else lark_text(marks.name_end)
        number = "NUMBER" if marks.numbered else ""
        head = f"{grammar.mark(marks.begin)} {lark_text(marks.prefix + tool.name)} {number} {name_end}"
        arguments = grammar.arguments(tool) if tagged is None else f"{self._line} {tagged.parameters(tool)}"
        return f"{head} {arguments} {grammar.mark(marks.end)}"
