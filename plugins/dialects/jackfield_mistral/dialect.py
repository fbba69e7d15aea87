"""Mistral's models: calls behind ``[TOOL_CALLS]``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jackfield.parsing.grammars import needs_grammar
from jackfield.ports.dialect import Opening, Traits
from jackfield_mistral.grammar import grammar_of
from jackfield_mistral.history import variables
from jackfield_mistral.marks import ARGUMENTS, CALL_ID, CALLS, THINK
from jackfield_mistral.reader import MistralReader

if TYPE_CHECKING:
    from jackfield.chat import ChatFormat, ChatPrompt
    from jackfield.ports.constraint import Constraint
    from jackfield.ports.dialect import ChatReader
    from jackfield_mistral.grammar import CallForm


_LATE_SYSTEM: Final = "loop.last and system_message is defined"
"""Of 7B v0.3 and Nemo."""


def mistral(chat_format: ChatFormat, *, named: bool) -> MistralDialect | None:
    """See ``DialectFactory``."""
    template = chat_format.template
    if not named and CALLS not in template and THINK.begin not in template:
        return None
    form: CallForm = "array"
    if ARGUMENTS in template:
        form = "with id" if CALL_ID in template else "named"
    return MistralDialect(form, thinks=THINK.begin in template, late_system=_LATE_SYSTEM in template)


class MistralDialect:
    """See ``ChatDialect``.

    Parameters:
        form: How the model writes calls.
        thinks: Whether the model thinks. It does so as the system message says; there is no switch.
        late_system: Whether the template leaves out what the system says, unless the last message is the user's.
    """

    def __init__(self, form: CallForm, *, thinks: bool, late_system: bool) -> None:
        self.traits = Traits(reasoning="always" if thinks else "none")
        self._form: Final = form
        self._thinks = thinks
        self._late_system = late_system

    def open(self, chat: ChatPrompt, constraint: Constraint | None) -> Opening:
        """See ``ChatDialect``."""
        one_call = bool(chat.callable) and not chat.parallel_tool_calls
        grammar = one_call or needs_grammar(chat, constraint)
        return Opening(
            variables=variables(chat, thinks=self._thinks, late_system=self._late_system),
            constraint=grammar_of(chat, constraint, self._form) if grammar else constraint,
            thinking=THINK if self._thinks else None,
            shown_tokens=(CALLS, CALL_ID, ARGUMENTS, THINK.begin, THINK.end),
        )

    def reader(self, chat: ChatPrompt, prompt_end: str) -> ChatReader:
        """See ``ChatDialect``."""
        return MistralReader(prompt_end, {tool.name for tool in chat.callable})
