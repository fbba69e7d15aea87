"""What Gemma 4 writes around calls, strings and thoughts."""

from __future__ import annotations

from typing import Final

from jackfield.ports.dialect import ThinkingMarks

OPEN: Final = "<|tool_call>"
CLOSE: Final = "<tool_call|>"
QUOTE: Final = '<|"|>'
RESULT: Final = "<|tool_response>"
"""What comes behind calls: the model waits for their results."""

THINK: Final = ThinkingMarks("<|channel>thought", "<channel|>", "")
