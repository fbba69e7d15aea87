"""What the family writes around messages, as OpenAI's description of the harmony format has it."""

from __future__ import annotations

from typing import Final

START: Final = "<|start|>"
CHANNEL: Final = "<|channel|>"
CONSTRAIN: Final = "<|constrain|>"
MESSAGE: Final = "<|message|>"
END: Final = "<|end|>"
CALL: Final = "<|call|>"
RETURN: Final = "<|return|>"

ALL: Final = (START, CHANNEL, CONSTRAIN, MESSAGE, END, CALL, RETURN)
ENDS: Final = (END, CALL, RETURN, START)
"""What ends a message; the last one begins the next, where an end was left out."""

TURN: Final = f"{START}assistant"
"""Begins a message of the assistant."""
ANALYSIS: Final = f"{CHANNEL}analysis{MESSAGE}"
FINAL: Final = f"{CHANNEL}final{MESSAGE}"

FUNCTIONS: Final = "functions."
"""In front of the names of tools that a client declares."""
