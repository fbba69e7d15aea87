"""Texts as word lists compare them: without case, without invisible characters, in plain letters.

Each character is decomposed (NFKD, so that fullwidth and mathematical letters are plain ones), folded by Unicode's full
case folding, and decomposed again. Accents stay. Invisible characters (Unicode's category Cf, controls that end no line
and some others) go, as long as no more than ``INVISIBLE_MAX`` stand together.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import Final

INVISIBLE_MAX: Final = 3
"""Invisible characters in a row that are overlooked; more of them part words. It bounds how long a word can be."""

_OTHERS: Final = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""Fillers, and selectors of variations."""

_SPACES: Final = frozenset("\t\n\v\f\r\x85")
"""Controls that are seen: they part words."""

_CONTROLS: Final = bytes({*range(0x20), 0x7F} - {*map(ord, _SPACES)})
"""Those of ASCII that are not."""

_RUN: Final = re.compile(rf"[^\t-\r\x20-\x7e]{{{INVISIBLE_MAX + 1},}}")
_STANDS: Final = "\u200b"


def invisible(character: str) -> bool:
    """Whether nothing is seen of it."""
    category = unicodedata.category(character)
    return category == "Cf" or (category == "Cc" and character not in _SPACES) or _OTHERS.match(character) is not None


class _Table(dict[str, str]):
    """What becomes of each character; filled as characters come."""

    def __missing__(self, character: str) -> str:
        folded = "" if invisible(character) else _folded(character)
        self[character] = folded
        return folded


def _folded(character: str) -> str:
    return unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())


_TABLE: Final = _Table()


def _has_controls(text: str) -> bool:
    """Whether anything of *text*, which is ASCII, is not seen."""
    return len(text.encode().translate(None, _CONTROLS)) < len(text)


class Folded:
    """A text, folded, and where its characters come from.

    Attributes:
        text: What is compared.
    """

    __slots__ = ("_ends", "text")

    def __init__(self, text: str) -> None:
        self._ends: list[int] | None = None
        if text.isascii() and not _has_controls(text):
            self.text = text.lower()
            return
        pieces = [_TABLE[character] for character in text]
        if "" in pieces:
            _keep_long_runs(text, pieces)
        self.text = "".join(pieces)
        self._ends = list(accumulate(map(len, pieces)))

    def index(self, original: int) -> int:
        """Where the original's character *original* begins in ``text``."""
        if self._ends is None or original == 0:
            return original
        return self._ends[original - 1]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where *start* to *end* of ``text`` come from; not empty."""
        if self._ends is None:
            return start, end
        return bisect_right(self._ends, start), bisect_left(self._ends, end) + 1


def _keep_long_runs(text: str, pieces: list[str]) -> None:
    for run in _RUN.finditer(text):
        hidden = 0
        for at in range(run.start(), run.end() + 1):
            if at < run.end() and not pieces[at]:
                hidden += 1
                continue
            if hidden > INVISIBLE_MAX:
                pieces[at - hidden : at] = [_STANDS] * hidden
            hidden = 0
