"""Known words in texts."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from jackfield.word_index import WordIndex

words = st.sets(st.text(st.sampled_from("[a]1"), min_size=1, max_size=4), max_size=5)
texts = st.text(st.sampled_from("[a]1x"), max_size=30)


@given(words=words, text=texts)
def test_words_are_found_from_left_to_right_and_the_longest_first(words: set[str], text: str) -> None:
    """As a pattern of all of them would find them."""
    found = list(WordIndex(words).found(text))
    if not words:
        assert found == []
        return
    pattern = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
    assert found == [(each.start(), each[0]) for each in re.finditer(pattern, text)]
    assert WordIndex(words).replaced(text, "<{}>".format) == re.sub(pattern, r"<\g<0>>", text)


@given(words=words, text=texts)
def test_what_may_become_one_is_undecided(words: set[str], text: str) -> None:
    """From the first place on at which a word begins that the text does not end."""
    place = WordIndex(words).undecided(text)
    begun = [at for at in range(len(text)) if any(len(w) > len(text) - at and w.startswith(text[at:]) for w in words)]
    assert place == min(begun, default=len(text))
