"""Lists of regular expressions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield_guardrails.finding import Place
from jackfield_guardrails.patterns import Encoded, Pattern, PatternRefused
from jackfield_guardrails.widths import Width, width

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class RegexDetector:
    """Finds what expressions match, as one expression of all of them; see ``Detector``.

    Parameters:
        patterns: In re2's syntax; at least one.
        code: What findings are called.
        ignore_case: Whether capitals do not matter.

    Raises:
        ValueError: One cannot be used; the message says which and why.
    """

    def __init__(self, patterns: Sequence[str], code: str, *, ignore_case: bool) -> None:
        self._code = code
        most: int | None = 0
        for index, pattern in enumerate(patterns):
            found = _width(index, pattern)
            most = None if most is None or found.most is None else max(most, found.most)
        self._pattern = Pattern("|".join(f"(?:{pattern})" for pattern in patterns), ignore_case=ignore_case)
        self.longest: int | None = None if most is None else most + 2

    def find(self, text: str, begin: int) -> Iterator[Place]:
        encoded = Encoded(text)
        at = encoded.byte(begin)
        while (hit := self._pattern.search(encoded.data, at)) is not None:
            yield Place(encoded.character(hit.start), encoded.character(hit.end), self._code)
            if self.longest is None:
                return  # one is enough, and to look for the next may take as long again
            at = hit.end


def _width(index: int, pattern: str) -> Width:
    key = f"patterns[{index}]"
    try:
        Pattern(pattern)
    except PatternRefused as error:
        raise ValueError(f"{key} cannot be used: {error}") from error
    if "\\C" in pattern:
        raise ValueError(f"{key} cannot be used: \\C matches parts of characters")
    found = width(pattern)
    if found.least == 0:
        raise ValueError(f"{key} cannot be used: it matches the empty text")
    return found
