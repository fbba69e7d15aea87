"""What the family writes around calls and thoughts."""

from __future__ import annotations

from typing import Final

from jackfield.ports.dialect import ThinkingMarks

OPEN: Final = "<tool_call>"
CLOSE: Final = "</tool_call>"
FUNCTION: Final = "<function="
FUNCTION_END: Final = "</function>"
PARAMETER: Final = "<parameter="
PARAMETER_END: Final = "</parameter>"
THINK: Final = ThinkingMarks("<think>", "</think>")
