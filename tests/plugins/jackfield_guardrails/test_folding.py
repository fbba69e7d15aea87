"""Folded texts, and where their characters come from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield_guardrails.folding import Folded


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Straße", "strasse"),
        ("ＦＵＬＬ", "full"),
        ("𝐁𝐨𝐥𝐝", "bold"),
        ("ﬃ", "ffi"),
        ("b\u200ba\u00add", "bad"),
        ("b\u200b\u200b\u200bad", "bad"),
        ("b\u200b\u200b\u200b\u200bad", "b\u200b\u200b\u200b\u200bad"),
        ("b\0a\x07d", "bad"),
        ("b\0a\x07d é", "bad e\u0301"),
        ("b\x9fa\x7fd", "bad"),
        ("b\0\0\0\0ad", "b\u200b\u200b\u200b\u200bad"),
        ("b\0\u200b\0\u200bad", "b\u200b\u200b\u200b\u200bad"),
        ("b\ta\nd\r\v\f\x85", "b\ta\nd\r\v\f\x85"),
        ("É", "e\u0301"),
        ("E\u0301", "e\u0301"),
        ("\u00a0", " "),
    ],
)
def test_what_is_the_same(text: str, folded: str) -> None:
    """Whatever it looks like."""
    assert Folded(text).text == folded


_TEXT = st.text(st.sampled_from("aBß ﬃÉ\0\x07\u200b\u00ad\U0001d400\ud800é"), max_size=40) | st.text(max_size=40)


@given(_TEXT, st.data())
def test_spans_come_from_the_text(text: str, data: st.DataObject) -> None:
    """What is found in the folded text is there, and folds to what was found, but for halves of characters."""
    folded = Folded(text)
    if not folded.text:
        return
    start = data.draw(st.integers(0, len(folded.text) - 1))
    end = data.draw(st.integers(start + 1, len(folded.text)))
    first, last = folded.span(start, end)
    assert 0 <= first < last <= len(text)
    assert folded.index(first) <= start
    assert folded.index(last) >= end


@given(_TEXT)
def test_every_character_has_its_place(text: str) -> None:
    """Places grow with characters, up to the end."""
    folded = Folded(text)
    places = [folded.index(at) for at in range(len(text) + 1)]
    assert places == sorted(places)
    assert places[0] == 0
    assert places[-1] == len(folded.text)
