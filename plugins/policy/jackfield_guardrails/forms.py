"""Finds forms in texts: all at once by one expression, then each match by its check."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from jackfield_guardrails.entities import CODES, FORMS, MATCH_MAX
from jackfield_guardrails.finding import Place
from jackfield_guardrails.patterns import Encoded, Pattern
from jackfield_guardrails.tokens import PREFIXED, RUN_MAX, value, whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jackfield_guardrails.patterns import Hit

LONGEST: Final = MATCH_MAX + 4
"""With what stands beside."""

_DIGITS: Final = (0x0660, 0x06F0, 0x0966, 0x09E6, 0x0E50)
"""Where those of Arabic, Persian, Devanagari, Bengali and Thai begin."""

_PLAIN: Final = (
    {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
    | {zero + digit: ord("0") + digit for zero in _DIGITS for digit in range(10)}
    | dict.fromkeys((0x00A0, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000), ord(" "))
    | dict.fromkeys((*range(0x2010, 0x2016), 0x2212), ord("-"))
)
"""Fullwidth characters, digits of other scripts, printed spaces and dashes, and what they are: as many, so that places
stay."""

_PRINTED: Final = re.compile(f"[{''.join(map(chr, _PLAIN))}]")
_NAMED: Final = Pattern(PREFIXED)


class _Alphabet:
    """The forms, compiled for texts of one kind.

    With all letters of the world in it an expression is so large that re2 takes fifty times as long for a match.
    """

    def __init__(self, names: Sequence[str], *, ascii_only: bool) -> None:
        self.forms: Final = [
            (name, form.check, Pattern(_narrowed(form.expression) if ascii_only else form.expression))
            for name, form in FORMS.items()
            if name in names
        ]
        expressions = [FORMS[name].expression for name, _, _ in self.forms]
        self.any: Final = Pattern("|".join(map(_narrowed, expressions) if ascii_only else expressions))


class FormDetector:
    """Finds the forms of ``FORMS``; see ``Detector``.

    Parameters:
        names: Which ones.
    """

    longest: int | None = LONGEST

    def __init__(self, names: Sequence[str]) -> None:
        self._narrow = _Alphabet(names, ascii_only=True)
        self._wide = _Alphabet(names, ascii_only=False)

    def find(self, text: str, begin: int) -> Iterator[Place]:
        if not text.isascii() and _PRINTED.search(text):
            text = text.translate(_PLAIN)
        alphabet = self._narrow if text.isascii() else self._wide
        encoded = Encoded(text)
        at = encoded.byte(max(0, begin - LONGEST))
        while (hit := alphabet.any.search(encoded.data, at)) is not None:
            place, at = _confirmed(alphabet, text, encoded, hit.start)
            if place is not None and place.end > begin:
                yield place if place.start >= begin else place._replace(start=begin)


def _confirmed(alphabet: _Alphabet, text: str, encoded: Encoded, at: int) -> tuple[Place | None, int]:
    """What begins at byte *at*, if the check of any form says so, and where to go on."""
    skip = 0
    for name, check, pattern in alphabet.forms:
        hit = pattern.match(encoded.data, at)
        if hit is None:
            continue
        start, end = encoded.character(hit.start), encoded.character(hit.end)
        size = check(text[start:end])
        if size:
            return _place(name, text, encoded, hit, start + size)
        if name == "random":
            skip = _onwards(encoded, hit)
    return None, skip or encoded.byte(encoded.character(at) + 1)


def _narrowed(expression: str) -> str:
    """In expressions both stand inside brackets only."""
    return expression.replace(r"\pL", "A-Za-z").replace(r"\pN", "0-9")


def _place(name: str, text: str, encoded: Encoded, hit: Hit, end: int) -> tuple[Place, int]:
    start = encoded.character(hit.start)
    last = encoded.byte(end)
    if name == "assigned":
        first, behind = value(text[start:end])
        start, end = start + first, start + behind
    elif name in {"token", "random"}:
        last = whole(encoded, hit)
        end = encoded.character(last)
    return Place(start, end, CODES.get(name, name)), last


def _onwards(encoded: Encoded, hit: Hit) -> int:
    """Where to go on after a run that is no token: where one with a name begins in it, or behind it."""
    named = _NAMED.search(encoded.data, hit.start + 1, hit.end + RUN_MAX)
    return min(named.start, hit.end) if named else hit.end
