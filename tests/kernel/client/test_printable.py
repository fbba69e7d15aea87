"""What a server or a model says cannot act on the user's terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.client.printable import printable, printable_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\n\tb", "a\n\tb"),
        ("\x1b]0;title\x07x", "]0;titlex"),
        ("\x9b31mred", "31mred"),
        ("a\rb\x7f", "ab"),
        ("\u202egnp.exe", "gnp.exe"),
        ("Grüße 日本 👩‍🚀 שלום", "Grüße 日本 👩‍🚀 שלום"),
    ],
)
def test_control_sequences_are_left_out(text: str, shown: str) -> None:
    """Line breaks, tabs and all scripts stay."""
    assert printable(text) == shown


@given(st.text())
def test_one_line(text: str) -> None:
    """Nothing but what can be seen, in one line that can be encoded."""
    line = printable_line(text)
    assert "\n" not in line
    assert "\x1b" not in line
    line.encode()
