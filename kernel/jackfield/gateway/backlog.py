"""Prompts that went to a worker and that none of its reports can know yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jackfield.chat import ChatPrompt
from jackfield.types import InfillPrompt, TemplatePrompt, TextPrompt

if TYPE_CHECKING:
    from jackfield.chat import Message, Tool
    from jackfield.types import Prompt

CHARACTERS: Final = 4
"""Of a token, about, in the texts that people send; of others than ASCII so many bytes of UTF-8."""

_TURN: Final = 4 * CHARACTERS
"""What a message has besides its text: its role, its begin and its end. Ten thousand empty ones are a long prompt."""


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
        return size_of(prompt.text) // CHARACTERS
    if isinstance(prompt, ChatPrompt):
        return (sum(map(_length, prompt.messages)) + sum(map(_tool_length, prompt.tools))) // CHARACTERS
    if isinstance(prompt, TemplatePrompt):
        return len(prompt.variables) // CHARACTERS
    if isinstance(prompt, InfillPrompt):
        return (size_of(prompt.prefix) + size_of(prompt.suffix)) // CHARACTERS
    return len(prompt.tokens)


def _length(message: Message) -> int:
    calls = sum([len(call.name) + size_of(call.arguments) for call in message.tool_calls]) if message.tool_calls else 0
    return _TURN + size_of(message.content) + size_of(message.reasoning) + calls


def _tool_length(tool: Tool) -> int:
    return len(tool.name) + size_of(tool.description) + size_of(tool.parameters)


def size_of(text: str) -> int:
    """Length of *text*: characters of ASCII, and bytes of all else, where a character may be a token, or three."""
    return len(text) if text.isascii() else len(text.encode(errors="replace"))
