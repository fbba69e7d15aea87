"""The families' dialects: one for each form."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

from jackfield.errors import InvalidRequest
from jackfield.parsing.grammars import needs_grammar
from jackfield.parsing.shaping import template_variables
from jackfield.ports.dialect import Opening, Traits
from jackfield_families.forms import FORMS, SUFFIX, marks_of
from jackfield_families.grammar import grammar_of
from jackfield_families.history import shaped
from jackfield_families.reader import FamilyReader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.chat import ChatFormat, ChatPrompt, JsonValue
    from jackfield.ports.constraint import Constraint
    from jackfield.ports.dialect import ChatReader, DialectFactory
    from jackfield_families.forms import Form


def factories() -> Mapping[str, DialectFactory]:
    """A factory for each form, by its name."""
    return {name: partial(_family, form) for name, form in FORMS.items()}


def _family(form: Form, chat_format: ChatFormat, *, named: bool) -> FamilyDialect | None:
    """See ``DialectFactory``."""
    template = chat_format.template
    if not named and not all(sign in template for sign in form.signs):
        return None
    return FamilyDialect(form, template)


class FamilyDialect:
    """See ``ChatDialect``.

    Parameters:
        form: The family's.
        template: The model's.
    """

    def __init__(self, form: Form, template: str) -> None:
        marks = (form.thinking.begin, form.thinking.end) if form.thinking is not None else ()
        thinks = any(mark in template or mark.replace(SUFFIX, "{}") in template for mark in marks)
        switch = form.switch or form.off
        switched = bool(switch) and switch in template
        reasoning: Literal["none", "optional", "always"] = "none"
        if thinks:
            reasoning = "optional" if switched else "always"
        self.traits = Traits(
            parallel_tool_calls=not form.single, reasoning=reasoning, efforts=form.efforts if thinks else ()
        )
        self._form = form
        self._thinking = form.thinking if thinks else None
        self._keeps_calls = "tool_calls" in template

    def open(self, chat: ChatPrompt, constraint: Constraint | None) -> Opening:
        """See ``ChatDialect``."""
        form = self._form
        variables = template_variables(shaped(chat, form, keeps_calls=self._keeps_calls))
        if self._thinking is not None:
            self._switch(chat, variables)
        one_call = bool(chat.callable) and not (chat.parallel_tool_calls and not form.single)
        grammar = one_call or needs_grammar(chat, constraint)
        marks = marks_of(form)
        if self._thinking is not None:
            marks += [self._thinking.begin, self._thinking.end]
        return Opening(
            variables=variables,
            constraint=grammar_of(chat, constraint, form) if grammar else constraint,
            thinking=self._thinking,
            shown_tokens=tuple(marks),
        )

    def reader(self, chat: ChatPrompt, prompt_end: str) -> ChatReader:
        """See ``ChatDialect``."""
        return FamilyReader(prompt_end, {tool.name: tool for tool in chat.callable}, self._form, self._thinking)

    def _switch(self, chat: ChatPrompt, variables: dict[str, JsonValue]) -> None:
        form, thinking = self._form, chat.thinking
        if not form.switch:
            return
        if thinking.enabled is not None:
            variables[form.switch] = form.values[thinking.enabled]
        if thinking.effort is not None and form.efforts:
            if thinking.effort not in form.efforts:
                known = ", ".join(form.efforts)
                raise InvalidRequest(f"{thinking.param} must be one of {known} for this model", param=thinking.param)
            variables[form.switch] = thinking.effort
        if thinking.budget is not None and form.counts:
            variables[form.switch] = thinking.budget
