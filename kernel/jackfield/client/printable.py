"""Text from a server or a model on a user's terminal: it may carry control sequences, and must not act on it."""

from __future__ import annotations

import unicodedata
from typing import Final

_KEPT: Final = frozenset("\n\t")
_UNSAFE: Final = frozenset(("Cc", "Cs"))
"""Unicode categories: controls (C0, DEL, C1: escape sequences begin with these), surrogates (cannot be written)."""

_BIDI: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Reorder what is shown after them (CVE-2021-42574)."""


def printable(text: str) -> str:
    """*text* without what a terminal would act on; line breaks and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(filter(_is_printable, text))


def printable_line(text: str) -> str:
    """The same in one line."""
    return " ".join(printable(text).split())


def _is_printable(character: str) -> bool:
    return character in _KEPT or not (unicodedata.category(character) in _UNSAFE or character in _BIDI)
