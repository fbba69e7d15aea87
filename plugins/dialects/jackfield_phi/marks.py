"""What the family writes around calls and thoughts."""

from __future__ import annotations

from typing import Final

from jackfield.ports.dialect import ThinkingMarks

OPEN: Final = "<|tool_call|>"
CLOSE: Final = "<|/tool_call|>"
FUNCTOOLS: Final = "functools["
"""What Phi-4-mini writes for ``OPEN`` where the prompt asks it to, with the bracket of its list."""

THINK: Final = ThinkingMarks("<think>", "</think>")
