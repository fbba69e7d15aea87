"""Conversations as workers get them: the gateway has made template variables of them."""

from __future__ import annotations

import msgspec

from jackfield.chat import ChatPrompt, Message
from jackfield.parsing.shaping import template_variables
from jackfield.types import TemplatePrompt


def asked(text: str) -> TemplatePrompt:
    """A conversation in which the user has said *text* and nothing else."""
    return shaped(ChatPrompt((Message("user", text),)))


def answered(text: str, answer: str) -> TemplatePrompt:
    """The same, with the beginning of the *answer*, which is continued."""
    return shaped(ChatPrompt((Message("user", text), Message("assistant", answer)), continue_final=True))


def shaped(chat: ChatPrompt) -> TemplatePrompt:
    """What *chat* becomes for a model without a dialect."""
    return TemplatePrompt(msgspec.json.encode(template_variables(chat)), chat.continue_final)
