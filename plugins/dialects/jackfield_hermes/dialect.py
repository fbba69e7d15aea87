"""Hermes 2 and 3, Qwen 2.5 to 3.5, and those that were trained like them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from jackfield.parsing.grammars import needs_grammar
from jackfield.parsing.shaping import template_variables
from jackfield.ports.dialect import Opening, Traits
from jackfield_hermes.grammar import call_grammar
from jackfield_hermes.marks import CLOSE, FUNCTION, OPEN, PARAMETER, THINK
from jackfield_hermes.reader import HermesReader

if TYPE_CHECKING:
    from jackfield.chat import ChatFormat, ChatPrompt
    from jackfield.ports.constraint import Constraint
    from jackfield.ports.dialect import ChatReader

_SWITCH: Final = "enable_thinking"

_IN_JSON: Final = re.compile(r"""<tool_call>(?:\s|\\n|["'] *\}\}\s*\{\{-? *["'])*\{\\*["']""")
"""A call in JSON, as templates show it to the model: the line break may be written as an escape, quotes with one, and
the text may be in two parts."""


def hermes(chat_format: ChatFormat, *, named: bool) -> HermesDialect | None:
    """See ``DialectFactory``."""
    template = chat_format.template
    tagged = OPEN in template and FUNCTION in template and PARAMETER in template
    if not (named or tagged or _IN_JSON.search(template)):
        return None
    return HermesDialect(tagged=tagged, thinks=THINK.begin in template, switched=_SWITCH in template)


class HermesDialect:
    """See ``ChatDialect``.

    Parameters:
        tagged: Whether the template teaches parameters between tags; otherwise calls are JSON.
        thinks: Whether the model thinks.
        switched: Whether the template has a switch for that.
    """

    def __init__(self, *, tagged: bool, thinks: bool, switched: bool) -> None:
        self.traits = Traits(reasoning=("optional" if switched else "always") if thinks else "none")
        self._tagged = tagged

    def open(self, chat: ChatPrompt, constraint: Constraint | None) -> Opening:
        """See ``ChatDialect``."""
        variables = template_variables(chat)
        variables["tools"] = variables["tools"] or []  # Hermes' own templates walk over them without asking
        if chat.thinking.enabled is not None:
            variables[_SWITCH] = chat.thinking.enabled
        grammar = needs_grammar(chat, constraint)
        one_call = bool(chat.callable) and not chat.parallel_tool_calls and not grammar
        return Opening(
            variables=variables,
            constraint=call_grammar(chat, constraint, tagged=self._tagged) if grammar else constraint,
            thinking=THINK if self.traits.reasoning != "none" else None,
            shown_tokens=(OPEN, CLOSE, THINK.begin, THINK.end),
            stop=(CLOSE,) if one_call else (),
        )

    def reader(self, chat: ChatPrompt, prompt_end: str) -> ChatReader:
        """See ``ChatDialect``."""
        tools = {tool.name: tool for tool in chat.callable}
        return HermesReader(prompt_end, tools, bare=self._tagged, several=chat.parallel_tool_calls)
