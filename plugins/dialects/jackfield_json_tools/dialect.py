"""Any model whatever."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.parsing.shaping import template_variables
from jackfield.ports.dialect import Opening, Traits
from jackfield_json_tools.grammar import answer_grammar
from jackfield_json_tools.marks import THINK
from jackfield_json_tools.reader import JsonToolsReader
from jackfield_json_tools.telling import Teller

if TYPE_CHECKING:
    from jackfield.chat import ChatFormat, ChatPrompt
    from jackfield.ports.constraint import Constraint
    from jackfield.ports.dialect import ChatReader

_SWITCH: Final = "enable_thinking"


def json_tools(chat_format: ChatFormat, *, named: bool) -> JsonToolsDialect:  # noqa: ARG001 -- it takes every template, named or not
    """See ``DialectFactory``."""
    return JsonToolsDialect(chat_format.template)


class JsonToolsDialect:
    """See ``ChatDialect``.

    Parameters:
        template: Jinja source.
    """

    def __init__(self, template: str) -> None:
        thinks, switched = THINK.begin in template, _SWITCH in template
        self.traits = Traits(reasoning=("optional" if switched else "always") if thinks else "none")
        self._teller = Teller(template)

    def open(self, chat: ChatPrompt, constraint: Constraint | None) -> Opening:
        """See ``ChatDialect``."""
        variables = template_variables(msgspec.structs.replace(chat, messages=self._teller.shaped(chat)))
        if chat.thinking.enabled is not None:
            variables[_SWITCH] = chat.thinking.enabled
        return Opening(
            variables=variables,
            constraint=answer_grammar(chat, constraint) if chat.callable else constraint,
            thinking=THINK if self.traits.reasoning != "none" else None,
            shown_tokens=(THINK.begin, THINK.end),
        )

    def reader(self, chat: ChatPrompt, prompt_end: str) -> ChatReader:
        """See ``ChatDialect``."""
        return JsonToolsReader(prompt_end, {tool.name for tool in chat.callable})
