"""What the family writes around calls and thoughts."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from jackfield.ports.dialect import ThinkingMarks

CallForm: TypeAlias = Literal["fenced", "bare", "tagged"]
"""How a model writes arguments: JSON in a fence (V3, R1), JSON alone (V3.1), or parameters between tags (V3.2, V4)."""

CALLS: Final = "<｜tool▁calls▁begin｜>"
CALLS_BEGIN: Final = (CALLS, "<｜tool_calls_begin｜>", "<｜tool calls begin｜>")
"""Distillates write the mark, which is a token of R1's, in letters, and not always well."""
CALLS_END: Final = "<｜tool▁calls▁end｜>"
CALL: Final = "<｜tool▁call▁begin｜>"
CALL_END: Final = "<｜tool▁call▁end｜>"
SEPARATOR: Final = "<｜tool▁sep｜>"
FENCE: Final = "```"

DSML: Final = "｜DSML｜"
TAG: Final = f"<{DSML}"
TAG_END: Final = f"</{DSML}"
BLOCKS: Final = ("tool_calls", "function_calls")
"""Tags around all calls: V4's, V3.2's."""

THINK: Final = ThinkingMarks("<think>", "</think>", after="")
"""R1 has an empty line behind."""
