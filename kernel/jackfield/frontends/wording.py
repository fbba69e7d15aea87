"""How errors are told where they have nothing but their text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jackfield.errors import JackfieldError


def with_field(error: JackfieldError) -> str:
    """The message of *error*, which names the field at fault, or begins with the object that has it. Any thread.

    OpenAI's errors have a place for its name. In dialects that have none, a client would otherwise learn what is wrong,
    but not with what.
    """
    param = error.param
    if param is None or re.search(rf"(?<!\w){re.escape(param)}(?!\w)", error.message):
        return error.message
    if error.message.startswith(f"{param.rpartition('.')[0]}: "):
        return error.message
    return f"{param}: {error.message}"
