"""What the generations write around calls and thoughts."""

from __future__ import annotations

from typing import Final, NamedTuple

from jackfield.ports.dialect import ThinkingMarks

RESPONSE: Final = "<response>"
RESPONSE_END: Final = "</response>"

THINK: Final = ThinkingMarks("<think>", "</think>", RESPONSE)
"""Of 3.3, which puts its answer into ``<response>``."""

THINK_IN_WORDS: Final = ThinkingMarks("Here is my thought process:", "Here is my response:", "\n\n")
"""Of 3.2."""


class CallForm(NamedTuple):
    """How a generation writes its calls."""

    open: str
    close: str
    """Empty where nothing ends them but the end of the answer."""
    listed: bool
    """Whether all calls stand in one JSON array; otherwise each has marks of its own."""


LISTED: Final = CallForm("<|tool_call|>", "", listed=True)
SINGLE: Final = CallForm("<tool_call>", "</tool_call>", listed=False)
