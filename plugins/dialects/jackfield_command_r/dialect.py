"""Cohere's models: calls as lists of actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.parsing.grammars import needs_grammar
from jackfield.ports.dialect import Opening, Traits
from jackfield_command_r.grammar import action_grammar, list_grammar
from jackfield_command_r.history import variables
from jackfield_command_r.marks import ACTION, ACTION_END, AROUND_CONTENT, RESPONSE, TEXT, THINK
from jackfield_command_r.reader import CommandReader, ListReader

if TYPE_CHECKING:
    from jackfield.chat import ChatFormat, ChatPrompt
    from jackfield.ports.constraint import Constraint
    from jackfield.ports.dialect import ChatDialect, ChatReader

_LISTS: Final = "<|CHATBOT_TOKEN|>"
_SWITCHES: Final = {"enable_thinking": "not enable_thinking", "reasoning": "if reasoning %}"}
"""Variables that switch thoughts, and how templates ask for them."""


def command_r(chat_format: ChatFormat, *, named: bool) -> ChatDialect | None:
    """See ``DialectFactory``."""
    template = chat_format.template
    if ACTION in template:
        switch = next((name for name, asked in _SWITCHES.items() if asked in template), "")
        return ActionDialect(TEXT if TEXT in template else RESPONSE, switch)
    return ListDialect() if named or (_LISTS in template and "Action:" in template) else None


class ActionDialect:
    """Command R7B and newer. See ``ChatDialect``.

    Parameters:
        content_mark: What content begins with.
        switch: The template's variable that switches thoughts; empty where there is none.
    """

    def __init__(self, content_mark: str, switch: str) -> None:
        self.traits = Traits(reasoning="optional" if switch else "always")
        self._content_mark = content_mark
        self._switch = switch

    def open(self, chat: ChatPrompt, constraint: Constraint | None) -> Opening:
        """See ``ChatDialect``."""
        shaped = variables(chat, plans=True)
        if chat.thinking.enabled is not None and self._switch:
            shaped[self._switch] = chat.thinking.enabled
        tools = bool(chat.callable)
        grammar = (tools and not chat.parallel_tool_calls) or needs_grammar(chat, constraint)
        # with tools the grammar has the mark, or that of an action
        after = "" if tools else self._content_mark
        return Opening(
            variables=shaped,
            constraint=action_grammar(chat, constraint, self._content_mark) if grammar else constraint,
            thinking=msgspec.structs.replace(THINK, after=after),
            shown_tokens=(ACTION, ACTION_END, *AROUND_CONTENT, THINK.begin, THINK.end),
        )

    def reader(self, chat: ChatPrompt, prompt_end: str) -> ChatReader:
        """See ``ChatDialect``."""
        return CommandReader(prompt_end, {tool.name for tool in chat.callable})


class ListDialect:
    """Command R and R+. See ``ChatDialect``."""

    def __init__(self) -> None:
        self.traits = Traits()

    def open(self, chat: ChatPrompt, constraint: Constraint | None) -> Opening:
        """See ``ChatDialect``."""
        one_call = bool(chat.callable) and not chat.parallel_tool_calls
        grammar = one_call or needs_grammar(chat, constraint)
        return Opening(
            variables=variables(chat, plans=False),
            constraint=list_grammar(chat, constraint) if grammar else constraint,
        )

    def reader(self, chat: ChatPrompt, prompt_end: str) -> ChatReader:
        """See ``ChatDialect``."""
        return ListReader(prompt_end, {tool.name for tool in chat.callable})
