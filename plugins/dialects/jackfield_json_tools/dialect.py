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

_OWN_WAY: Final = "tool_calls"
"""What templates read that show the calls of earlier turns."""


def json_tools(chat_format: ChatFormat, *, named: bool) -> JsonToolsDialect:
    """See ``DialectFactory``. It takes every template, but leaves tools alone where one shows calls in its own way.

    Such a model was trained for that way, and would be told of two. An operator may still name the dialect for it.
    """
    template = chat_format.template
    return JsonToolsDialect(template, tools=named or _OWN_WAY not in template)


class JsonToolsDialect:
    """See ``ChatDialect``.

    Parameters:
        template: Jinja source.
        tools: Whether the model is asked for calls.
    """

    def __init__(self, template: str, *, tools: bool = True) -> None:
        thinks, switched = THINK.begin in template, _SWITCH in template
        self.traits = Traits(
            tools=tools,
            parallel_tool_calls=tools,
            reasoning=("optional" if switched else "always") if thinks else "none",
        )
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
