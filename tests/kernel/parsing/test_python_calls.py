"""Calls in Python's form: parsed, bounded, never evaluated."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.parsing.python_calls import ARGUMENTS_MAX, json_of, python_calls
from jackfield.parsing.reading import GeneratorReader, Malformed
from jackfield.ports.dialect import ArgumentsPiece, CallPiece, ContentPiece

if TYPE_CHECKING:
    from jackfield.parsing.reading import Reading
    from jackfield.ports.dialect import Piece

_VALUES: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
_NAMES: Final = st.from_regex(r"[a-z_]{2,8}x", fullmatch=True)


class Reader(GeneratorReader):
    """Nothing but calls."""

    def answer(self) -> Reading[None]:
        """A list of them."""
        yield from python_calls(self, self._known)

    @staticmethod
    def _known(name: str) -> str:
        if name not in {"f", "g-1.x"}:
            raise Malformed
        return name


def _read(text: str, step: int) -> tuple[list[Piece], bool]:
    reader = Reader("")
    pieces: list[Piece] = []
    for at in range(0, len(text), step):
        pieces += reader.feed(text[at : at + step])
    return [*pieces, *reader.end(cut=False)], reader.malformed


@given(arguments=st.dictionaries(_NAMES, _VALUES, max_size=3), step=st.integers(1, 50))
def test_values_of_every_kind(arguments: dict[str, object], step: int) -> None:
    """As Python prints them, they come back as JSON, however the text is cut."""
    written = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    pieces, malformed = _read(f"[f({written}), g-1.x()]", step)
    assert not malformed
    first, given_, second, none = pieces
    assert (first, second, none) == (CallPiece("f"), CallPiece("g-1.x"), ArgumentsPiece("{}"))
    assert isinstance(given_, ArgumentsPiece)
    assert json.loads(given_.text) == arguments


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=true, b=null)", {"a": True, "b": None}),
        ("a='\\'', b=\")\")", {"a": "'", "b": ")"}),
        ('a="\\ud83c\\udfb9")', {"a": "🎹"}),
        ("a=-1.5, b=(1, 2))", {"a": -1.5, "b": [1, 2]}),
        ("a='x' 'y')", {"a": "xy"}),
        ("a='\\d')", {"a": "\\d"}),
        (")", {}),
    ],
)
def test_plain_values(text: str, value: object) -> None:
    """JSON's words, halves of characters, and odd escapes, about which nobody is warned."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert json.loads(json_of(text)) == value


@pytest.mark.parametrize(
    "text",
    [
        *("1)", "*a)", "**a)", "a=b)", "a=f())", "a=1, a=2)", "a=1+1)", "a=f'{1}')", "a=b'x')", "a=...)", "a=1j)"),
        *("a={1: 2})", "a={**b})", "a=1e999)", "a='\\ud800')", "a=-True)", "a=[x for x in y])", "a=lambda: 1)"),
        *("a=__import__('os'))", "a=1) or f(b=2)", "a=\x00)", "a=" + "-" * 60_000 + "1)", "a=" + "9" * 5000 + ")"),
    ],
)
def test_anything_else_is_malformed(text: str) -> None:
    """No names, no calls, no arithmetic; nothing is evaluated."""
    with pytest.raises(Malformed):
        json_of(text)


@pytest.mark.parametrize(
    "text",
    [
        *("[f(", "[f(a=1", "[f(a=1)", "[h()]", "f()", "[f()g()]", "[f(a=1]", "[f(#\n)]", "[" + "x" * 10_000),
        *("[f(" + "(" * 100, "[f(a='" + "x" * ARGUMENTS_MAX + "')]"),
    ],
)
def test_calls_that_do_not_end(text: str) -> None:
    """They are marked; what is left of them is content, cut anyhow."""
    for step in (1, 7, len(text)):
        pieces, malformed = _read(text, step)
        assert malformed
        assert any(isinstance(piece, ContentPiece | CallPiece) for piece in pieces)
        assert sum(isinstance(piece, CallPiece) for piece in pieces) <= 1
