"""Readers that are written as generators: any cut gives the same, and nothing is held back longer than it must be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.parsing.reading import WORD_MAX, GeneratorReader, Malformed, held, joined
from jackfield.ports.dialect import ArgumentsPiece, CallPiece, ContentPiece, ReasoningPiece

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.parsing.reading import Reading
    from jackfield.ports.dialect import Piece

_MARKS: Final = ("<a>", "<ab>", "</t>", "<<a")
_TEXT: Final = st.lists(st.sampled_from([*_MARKS, "<t>", *"<>/ab \nx", "ä🎹"]), max_size=25).map("".join)


class Reader(GeneratorReader):
    """Thoughts, then content with names in ``<a>…>``; a name that is ``x`` is malformed."""

    def answer(self) -> Reading[None]:
        """To the end."""
        yield from self.thoughts("<t>", "</t>")
        while (yield from self.content("<a>", "<ab>", "<<a")) is not None:
            name = yield from self.word(">", "</t>")
            if name.endswith("x"):
                raise Malformed
            self.begin_call(name)
            yield from self.space()
            self.end_call()


def _read(parts: Sequence[str], prompt_end: str = "", *, cut: bool = False) -> tuple[Sequence[Piece], bool]:
    reader = Reader(prompt_end)
    pieces: list[Piece] = []
    for part in parts:
        pieces += reader.feed(part)
    pieces += reader.end(cut=cut)
    assert not reader.holding
    return joined(pieces), reader.malformed


@given(text=_TEXT, cut=st.booleans(), prompt_end=st.sampled_from(["", "<t>", "<t>\n"]), data=st.data())
def test_any_cut_reads_the_same(text: str, *, cut: bool, prompt_end: str, data: st.DataObject) -> None:
    """All at once, by characters, and anyhow."""
    ends = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=8)))
    parts = [text[begin:end] for begin, end in zip([0, *ends], [*ends, len(text)], strict=True)]
    whole = _read([text], prompt_end, cut=cut)
    assert _read(parts, prompt_end, cut=cut) == whole
    assert _read(list(text), prompt_end, cut=cut) == whole


@given(text=_TEXT)
def test_nothing_is_lost(text: str) -> None:
    """Where nothing was called or thought, all is content, but for white space in front."""
    pieces, _ = _read(list(text))
    thought = text.lstrip(" \n").startswith("<t>")
    if not thought and all(isinstance(piece, ContentPiece) for piece in pieces):
        assert "".join(piece.text for piece in pieces if isinstance(piece, ContentPiece)) == text.lstrip(" \n")


@given(text=_TEXT, marks=st.lists(st.sampled_from(_MARKS), min_size=1, max_size=4))
def test_what_is_held_back(text: str, marks: list[str]) -> None:
    """The longest end of the text that a mark may begin with, and no more."""
    expected = max(count for count in range(5) for mark in marks if count < len(mark) and _ends(text, mark[:count]))
    assert held(text, marks) == expected


def _ends(text: str, begun: str) -> bool:
    return len(begun) <= len(text) and text.endswith(begun)


def test_text_comes_at_once() -> None:
    """Only what may be a mark waits, and white space, which may stand before one."""
    reader = Reader("")
    assert reader.feed("It rains <") == [ContentPiece("It rains")]
    assert reader.holding
    assert reader.feed("b") == [ContentPiece(" <b")]
    assert not reader.holding
    assert reader.feed("\n\n") == []
    assert reader.end(cut=False) == [ContentPiece("\n\n")]


def test_thoughts() -> None:
    """They are known while they come; the reader says so."""
    reader = Reader("assistant\n<t>\n")
    reader.feed("Hm")
    assert reader.reasoning
    assert reader.feed(".\n</t>\n\n") == [ReasoningPiece(".")]
    assert not reader.reasoning
    assert reader.feed("No") == [ContentPiece("No")]


def test_what_is_malformed_is_content_and_so_is_all_behind() -> None:
    """Marks too; no call is read any more."""
    assert _read(["So <a>x> <a>y>"]) == ([ContentPiece("So <a>x> <a>y>")], True)


def test_a_limit_makes_nothing_malformed() -> None:
    """What was begun is given up."""
    assert _read(["So <a>yy"], cut=True) == ([ContentPiece("So")], False)
    assert _read(["So <a>yy"]) == ([ContentPiece("So <a>yy")], True)


@pytest.mark.parametrize("step", [1, 100, 10_000])
def test_names_are_bounded(step: int) -> None:
    """One that does not end is none."""
    text = "<a>" + "y" * (WORD_MAX + 1)
    reader = Reader("")
    for at in range(0, len(text), step):
        reader.feed(text[at : at + step])
    assert reader.malformed


def test_neighbours_of_one_kind_are_one() -> None:
    """Calls stay apart."""
    pieces: list[Piece] = [
        ContentPiece("a"),
        ContentPiece("b"),
        CallPiece("f"),
        CallPiece("g"),
        ArgumentsPiece("{"),
        ArgumentsPiece("}"),
    ]
    assert joined(pieces) == [ContentPiece("ab"), CallPiece("f"), CallPiece("g"), ArgumentsPiece("{}")]
