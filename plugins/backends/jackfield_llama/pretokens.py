"""Cutting long texts before llama.cpp's byte-pair tokenizers see them.

About half of llama.cpp's pre-tokenizers match words with ``std::regex``, which recurses once per character: a run of
26,000 letters (11,000 with one of them) overflows an 8 MiB stack and kills the process, whoever sent it. So no call
gets more than ``CHARACTERS_MAX`` characters. Cuts fall where such tokenizers cut anyway, before the space of a word
or after a line break, so that the tokens of ordinary text are those of the whole; and never inside a control token.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CHARACTERS_MAX: Final = 2048
"""Most characters of one call: safe by a factor of five, also on the 2 MiB stacks threads get where ``ulimit -s`` is
unlimited."""

MARKER_MAX: Final = 256
"""Control tokens longer than this, in characters, are not protected from cuts."""

_BOUNDARY: Final = re.compile(r"(?<=\S)(?= [A-Za-z])|(?<=\n)(?=\S)")


class Cutter:
    """Cuts texts into pieces of at most ``CHARACTERS_MAX`` characters.

    Parameters:
        markers: Texts of control and user-defined tokens.
    """

    def __init__(self, markers: frozenset[str]) -> None:
        by_length: dict[int, set[str]] = {}
        for marker in markers:
            if 1 < len(marker) <= MARKER_MAX:
                by_length.setdefault(len(marker), set()).add(marker)
        self._markers: Mapping[int, set[str]] = by_length

    def pieces(self, text: str) -> Iterator[str]:
        """*text* in pieces; one piece if it is short enough."""
        start = 0
        while len(text) - start > CHARACTERS_MAX:
            end = self._cut(text, start)
            yield text[start:end]
            start = end
        yield text[start:]

    def _cut(self, text: str, start: int) -> int:
        latest = start + CHARACTERS_MAX
        boundaries = [match.start() for match in _BOUNDARY.finditer(text, start + CHARACTERS_MAX // 2, latest)]
        for place in reversed(boundaries):
            if self._marker_around(text, place) is None:
                return place
        marker = self._marker_around(text, latest)
        return latest if marker is None else marker

    def _marker_around(self, text: str, place: int) -> int | None:
        """Where the control token begins that a cut at *place* would split."""
        for length, markers in self._markers.items():
            for begin in range(place - length + 1, place):
                if text[begin : begin + length] in markers:
                    return begin
        return None
