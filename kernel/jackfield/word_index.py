"""Known words, found and replaced in texts in time that does not grow with how many there are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

_BEGIN_MAX: Final = 4
"""Characters of words by which they are looked up; no more than the shortest one has."""


class WordIndex:
    """Any thread.

    Parameters:
        words: None of them empty.
    """

    __slots__ = ("_begin", "_begins", "_first", "_lengths", "_longest", "_words")

    def __init__(self, words: Collection[str]) -> None:
        self._words = frozenset(words)
        self._longest = max(map(len, words), default=0)
        self._begin = min(_BEGIN_MAX, min(map(len, words), default=0))
        self._first = re.compile("|".join(sorted({re.escape(word[0]) for word in words})))
        lengths: dict[str, set[int]] = {}
        for word in words:
            lengths.setdefault(word[: self._begin], set()).add(len(word))
        self._lengths = {begin: sorted(own, reverse=True) for begin, own in lengths.items()}
        self._begins: frozenset[str] | None = None
        """What is a word's begin and not the whole of it; made when it is needed."""

    def found(self, text: str) -> Iterator[tuple[int, str]]:
        """Where which of them stand in *text*, from left to right; of those that overlap the first and longest."""
        place = 0
        while self._words and (first := self._first.search(text, place)) is not None:
            place = first.start()
            word = self._at(text, place)
            if word is not None:
                yield place, word
            place += len(word) if word is not None else 1

    def replaced(self, text: str, other: Callable[[str], str]) -> str:
        """*text* with *other* of each of them that is ``found`` in its place; called in their order."""
        parts: list[str] = []
        done = 0
        for place, word in self.found(text):
            parts += [text[done:place], other(word)]
            done = place + len(word)
        return "".join([*parts, text[done:]]) if parts else text

    def undecided(self, text: str) -> int:
        """Where at the end of *text* one begins that is not whole, or may become a longer one; else its length."""
        if self._begins is None:
            self._begins = frozenset({word[:end] for word in self._words for end in range(1, len(word))})
        for place in range(max(0, len(text) - self._longest + 1), len(text)):
            if text[place:] in self._begins:
                return place
        return len(text)

    def _at(self, text: str, place: int) -> str | None:
        for length in self._lengths.get(text[place : place + self._begin], ()):
            word = text[place : place + length]
            if word in self._words:
                return word
        return None
