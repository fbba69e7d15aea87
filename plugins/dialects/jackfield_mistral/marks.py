"""What the family writes around calls and thoughts."""

from __future__ import annotations

from typing import Final

from jackfield.ports.dialect import ThinkingMarks

CALLS: Final = "[TOOL_CALLS]"
CALL_ID: Final = "[CALL_ID]"
ARGUMENTS: Final = "[ARGS]"
THINK: Final = ThinkingMarks("[THINK]", "[/THINK]", after="")
