"""What stands in the JSON that answers are held to."""

from __future__ import annotations

from typing import Final

from jackfield.ports.dialect import ThinkingMarks

CALLS: Final = "tool_calls"
CONTENT: Final = "content"
VALUE: Final = "value"
"""Content that must be JSON of the client's schema: as it is, not as text in a string."""
THINK: Final = ThinkingMarks("<think>", "</think>")
