"""``include``: what a client wants to have in items besides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jackfield.errors import InvalidRequest, UnsupportedField
from jackfield.frontends.rules import shown

if TYPE_CHECKING:
    from multidict import MultiMapping

LOGPROBS: Final = "message.output_text.logprobs"
THOUGHTS: Final = "reasoning.encrypted_content"
EMPTY: Final = frozenset(
    {
        "code_interpreter_call.outputs",
        "computer_call_output.output.image_url",
        "file_search_call.results",
        "message.input_image.image_url",
        "web_search_call.action.sources",
        "web_search_call.results",
    }
)
"""They add to items that no response of this server has: there is nothing to include."""

NAMES: Final = ("include", "include[]")
"""How queries give it; the official clients use the second name."""


def check_include(query: MultiMapping[str]) -> None:
    """Judge what a ``GET`` request wants of a stored response, which has what it was made with.

    Raises:
        InvalidRequest: Nothing has that name, or nobody can give it.
    """
    for value in (value for name in NAMES for value in query.getall(name, ())):
        if value == THOUGHTS:
            raise UnsupportedField("include: this server encrypts no thoughts", param="include")
        if value != LOGPROBS and value not in EMPTY:
            raise InvalidRequest(f"include: nothing is called {shown(value)}", param="include")
