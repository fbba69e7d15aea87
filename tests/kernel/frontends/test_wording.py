"""Errors that have nothing but their text."""

from __future__ import annotations

import pytest

from jackfield.errors import InvalidRequest
from jackfield.frontends.wording import with_field


@pytest.mark.parametrize(
    ("message", "param", "said"),
    [
        ("it must be positive", "options.top_k", "options.top_k: it must be positive"),
        ("options.top_k must be positive", "options.top_k", "options.top_k must be positive"),
        ("tools[0].name is required", "tools[0].name", "tools[0].name is required"),
        ("this model does not think", "thinking", "thinking: this model does not think"),
        ("rethinking is no field", "thinking", "thinking: rethinking is no field"),
        ("tools[0]: no such kind", "tools[0].type", "tools[0]: no such kind"),
        ("tools[0] is odd", "tools[0].type", "tools[0].type: tools[0] is odd"),
        ("the body is no object", None, "the body is no object"),
    ],
)
def test_the_field_is_named_once(message: str, param: str | None, said: str) -> None:
    """By the message, or in front of it."""
    assert with_field(InvalidRequest(message, param=param)) == said
