"""What the family writes around calls, thoughts and answers."""

from __future__ import annotations

from typing import Final

from jackfield.parsing.json_calls import CallKeys
from jackfield.ports.dialect import ThinkingMarks

ACTION: Final = "<|START_ACTION|>"
ACTION_END: Final = "<|END_ACTION|>"
RESPONSE: Final = "<|START_RESPONSE|>"
RESPONSE_END: Final = "<|END_RESPONSE|>"
TEXT: Final = "<|START_TEXT|>"
TEXT_END: Final = "<|END_TEXT|>"
AROUND_CONTENT: Final = (RESPONSE, RESPONSE_END, TEXT, TEXT_END)
THINK: Final = ThinkingMarks("<|START_THINKING|>", "<|END_THINKING|>", after="")

LIST: Final = "Action:\n```json\n"
"""In front of calls of the models before R7B."""
LISTS: Final = (LIST, "Action: ```json\n", "Action:```json\n")
FENCE: Final = "```"

DIRECT: Final = "directly-answer"
"""The tool that models before R7B call to say that they call none."""

KEYS: Final = CallKeys(name=("tool_name", "name"), arguments=("parameters", "arguments"), id=())
"""The models' own ids are numbers that begin anew with each answer; clients need better ones."""
