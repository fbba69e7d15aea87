"""What models are told of their tools whose templates do not say it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

from jackfield.parsing.shaping import parameters_of
from jackfield_deepseek.marks import CALL, CALL_END, CALLS, CALLS_END, FENCE, SEPARATOR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.chat import Tool


def told_of(tools: Sequence[Tool], form: Literal["fenced", "bare"]) -> str:
    """A text for the system message; empty without tools.

    Parameters:
        tools: Those that may be called.
        form: How the model writes calls.
    """
    if not tools:
        return ""
    arguments = f"NAME{SEPARATOR}ARGUMENTS"
    if form == "fenced":
        arguments = f"function{SEPARATOR}NAME\n{FENCE}json\nARGUMENTS\n{FENCE}"
    call = f"{CALLS}{CALL}{arguments}{CALL_END}{CALLS_END}"
    return "\n\n".join(
        (
            "## Tools\n\nYou can call these tools:",
            *map(_described, tools),
            f"To call a tool, write exactly this, with several calls one after the other before {CALLS_END}:\n\n{call}",
            "NAME is the name of one of the tools. ARGUMENTS is a JSON object that its parameters describe.",
        )
    )


def _described(tool: Tool) -> str:
    parameters = json.dumps(parameters_of(tool), ensure_ascii=False)
    return f"### {tool.name}\nDescription: {tool.description}\n\nParameters: {parameters}"
