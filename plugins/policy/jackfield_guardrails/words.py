"""Word lists: whole words and phrases, found in the folded text by one expression."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from jackfield_guardrails.finding import Place
from jackfield_guardrails.folding import INVISIBLE_MAX, Folded
from jackfield_guardrails.patterns import WORD, Encoded, Pattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SPACES_MAX: Final = 3
"""White-space characters between two words of a phrase."""

_UNSPACED: Final = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
"""Scripts that write no spaces between words: everything in them is found, whatever stands beside it."""

_EDGE: Final = rf"[^{WORD}]|[{_UNSPACED}]"
_IS_UNSPACED: Final = Pattern(rf"[{_UNSPACED}]")


class WordDetector:
    """Finds words; see ``Detector``.

    Parameters:
        words: As they are written; at least one that is not white space alone.
        code: What findings are called.
        whole: Whether no letter may stand next to them.
    """

    def __init__(self, words: Sequence[str], code: str, *, whole: bool) -> None:
        folded = sorted({word for word in (" ".join(Folded(each).text.split()) for each in words) if word})
        self._code = code
        self._words = frozenset(folded)
        self._pattern = Pattern(_expression(folded, whole=whole), longest=True)
        widest = max(len(word) + (SPACES_MAX - 1) * word.count(" ") for word in folded)
        self.longest: int | None = widest + INVISIBLE_MAX * (widest - 1) + 2

    def find(self, text: str, begin: int) -> Iterator[Place]:
        folded = Folded(text)
        encoded = Encoded(folded.text)
        done = begin
        at = max(0, folded.index(begin) - 1)  # what stands before says whether it is a word
        while (hit := self._pattern.search(encoded.data, encoded.byte(at))) is not None:
            first, last = self._inner(folded.text, encoded.character(hit.start), encoded.character(hit.end))
            start, end = folded.span(first, last)
            at = first + 1
            if start >= done:
                yield Place(start, end, self._code)
                done, at = end, last - 1

    def _inner(self, text: str, start: int, end: int) -> tuple[int, int]:
        """Where the word itself is in what has matched, which may have a character more on each side."""
        for before, after in ((1, 1), (1, 0), (0, 1)):
            if " ".join(text[start + before : end - after].split()) in self._words:
                return start + before, end - after
        return start, end


def _expression(words: Sequence[str], *, whole: bool) -> str:
    """The words by the kind of edges that they need."""
    kinds: dict[tuple[str, str], list[str]] = {}
    for word in words:
        edges = _edges(word) if whole else ("", "")
        spaced = rf"\s{{1,{SPACES_MAX}}}".join(map(re.escape, word.split()))
        kinds.setdefault(edges, []).append(spaced)
    return "|".join(f"{before}(?:{'|'.join(each)}){after}" for (before, after), each in kinds.items())


def _edges(word: str) -> tuple[str, str]:
    before = "" if _unspaced(word[0]) else rf"(?:\A|{_EDGE})"
    after = "" if _unspaced(word[-1]) else rf"(?:\z|{_EDGE})"
    return before, after


def _unspaced(character: str) -> bool:
    return _IS_UNSPACED.search(character.encode(), 0) is not None
