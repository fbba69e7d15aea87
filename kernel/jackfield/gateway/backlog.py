"""Prompts that went to a worker and that none of its reports can know yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jackfield.chat import ChatPrompt
from jackfield.types import InfillPrompt, TemplatePrompt, TextPrompt

if TYPE_CHECKING:
    from jackfield.types import Prompt

CHARACTERS: Final = 4
"""Of a token, about, in the texts that people send."""


class Backlog:
    """Counts tokens: estimated until the worker has counted them, then exactly, until its next report.

    A worker says that it has accepted a request before it reports figures that contain it. Event loop thread.
    """

    __slots__ = ("_estimated", "_measured", "tokens")

    def __init__(self) -> None:
        self._estimated: dict[int, int] = {}
        self._measured: dict[int, int] = {}
        self.tokens = 0
        """Of all prompts."""

    def __bool__(self) -> bool:
        return bool(self._estimated)

    def sent(self, number: int, prompt: Prompt) -> None:
        """Request *number* went out."""
        self._estimated[number] = estimate = estimated_tokens(prompt)
        self.tokens += estimate

    def measured(self, number: int, tokens: int) -> None:
        """The worker has accepted request *number*, whose prompt has so many tokens."""
        estimate = self._estimated.pop(number, None)
        if estimate is not None:
            self._measured[number] = tokens
            self.tokens += tokens - estimate

    def gone(self, number: int) -> None:
        """Request *number* has ended."""
        self.tokens -= self._estimated.pop(number, 0) + self._measured.pop(number, 0)

    def reported(self) -> None:
        """A report came: it has all requests that were accepted before."""
        self.tokens -= sum(self._measured.values())
        self._measured.clear()


def estimated_tokens(prompt: Prompt) -> int:
    """About how many tokens *prompt* has, without a tokenizer."""
    if isinstance(prompt, TextPrompt):
        return len(prompt.text) // CHARACTERS
    if isinstance(prompt, ChatPrompt):
        return sum([len(message.content) for message in prompt.messages]) // CHARACTERS
    if isinstance(prompt, TemplatePrompt):
        return len(prompt.variables) // CHARACTERS
    if isinstance(prompt, InfillPrompt):
        return (len(prompt.prefix) + len(prompt.suffix)) // CHARACTERS
    return len(prompt.tokens)
