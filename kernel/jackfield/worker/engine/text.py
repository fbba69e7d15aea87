"""From token bytes to text that may be shown: whole UTF-8 characters, and never a stop string or a part of one."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class StopMatcher:
    """Finds stop strings in a stream of text, however it is cut.

    Parameters:
        stops: Non-empty strings; the first that is complete ends the text. Of several that complete at the same
            character the longest wins, so that no part of it is shown.

    Works character by character with one Knuth-Morris-Pratt automaton per stop string, so that hostile stop strings
    ("aaaa…ab") cost a constant per character. Intake thread makes it, engine loop thread feeds it.
    """

    __slots__ = ("_borders", "_held", "_matched", "_stops")

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._borders = tuple(_borders(stop) for stop in stops)
        self._matched = [0] * len(stops)
        self._held = ""

    def feed(self, text: str) -> tuple[str, bool]:
        """Take *text* in; return what may be shown now, and whether a stop string is complete (the rest is dropped)."""
        if not self._stops:
            return text, False
        held = self._held + text
        for index, character in enumerate(text, len(self._held)):
            length = self._advance(character)
            if length:
                self._held = ""
                return held[: index + 1 - length], True
        keep = len(held) - max(self._matched)
        self._held = held[keep:]
        return held[:keep], False

    def flush(self) -> str:
        """Text that was held back because a stop string might have begun; the stream is over."""
        held, self._held = self._held, ""
        return held

    def _advance(self, character: str) -> int:
        complete = 0
        for number, stop in enumerate(self._stops):
            matched, borders = self._matched[number], self._borders[number]
            while matched and stop[matched] != character:
                matched = borders[matched - 1]
            if stop[matched] == character:
                matched += 1
            if matched == len(stop):
                complete = max(complete, matched)
                matched = borders[matched - 1]
            self._matched[number] = matched
        return complete


class TextStream:
    """One sequence's text: bytes of tokens in, showable text out.

    Parameters:
        stops: Stop strings of the request.
    """

    __slots__ = ("_decoder", "_stops", "tokens")

    def __init__(self, stops: Sequence[str]) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stops = StopMatcher(stops)
        self.tokens = 0
        """Tokens taken in since text was last given out."""

    def feed(self, piece: bytes) -> tuple[str, bool]:
        """Take one token's bytes in; return showable text (maybe empty) and whether a stop string is complete."""
        self.tokens += 1
        return self._stops.feed(self._decoder.decode(piece))

    def flush(self) -> str:
        """What is left at the end: half a character becomes U+FFFD, a begun stop string is text after all."""
        text, stopped = self._stops.feed(self._decoder.decode(b"", final=True))
        return text if stopped else text + self._stops.flush()

    def take_tokens(self) -> int:
        """Tokens since the last call."""
        tokens, self.tokens = self.tokens, 0
        return tokens


def _borders(pattern: str) -> tuple[int, ...]:
    """For each prefix, the length of its longest proper prefix that is also a suffix (the KMP failure function)."""
    borders = [0] * len(pattern)
    matched = 0
    for index in range(1, len(pattern)):
        while matched and pattern[matched] != pattern[index]:
            matched = borders[matched - 1]
        if pattern[matched] == pattern[index]:
            matched += 1
        borders[index] = matched
    return tuple(borders)
