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
        self._borders = tuple(borders(stop) for stop in stops)
        self._matched = [0] * len(stops)
        self._held = ""

    def feed(self, text: str) -> tuple[str, str | None]:
        """Take *text* in; return what may be shown now, and the stop string that is complete (the rest is dropped)."""
        if not self._stops:
            return text, None
        held = self._held + text
        for index, character in enumerate(text, len(self._held)):
            stop = self._advance(character)
            if stop is not None:
                self._held = ""
                return held[: index + 1 - len(stop)], stop
        keep = len(held) - max(self._matched)
        self._held = held[keep:]
        return held[:keep], None

    def flush(self) -> str:
        """Text that was held back because a stop string might have begun; the stream is over."""
        held, self._held = self._held, ""
        return held

    def _advance(self, character: str) -> str | None:
        complete: str | None = None
        for number, stop in enumerate(self._stops):
            matched, borders = self._matched[number], self._borders[number]
            while matched and stop[matched] != character:
                matched = borders[matched - 1]
            if stop[matched] == character:
                matched += 1
            if matched == len(stop):
                complete = stop if complete is None else max(complete, stop, key=len)
                matched = borders[matched - 1]
            self._matched[number] = matched
        return complete


class TextStream:
    """One sequence's text: bytes of tokens in, showable text out.

    Parameters:
        stops: Stop strings of the request.
    """

    __slots__ = ("_decoder", "_stops", "decoded")

    def __init__(self, stops: Sequence[str]) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stops = StopMatcher(stops)
        self.decoded = 0
        """Characters taken in, shown or held back."""

    def place(self, piece: bytes) -> int:
        """Which character, by its number in the text, a token begins in whose bytes are *piece* and come next.

        After half a character that they do not go on with, it is the one after the replacement character.
        """
        half, _ = self._decoder.getstate()
        return self.decoded + (bool(half) and bool(piece) and not _goes_on(half, piece[:1]))

    def feed(self, piece: bytes) -> tuple[str, str | None]:
        """Take one token's bytes in; return showable text (maybe empty) and the stop string that is complete."""
        text = self._decoder.decode(piece)
        self.decoded += len(text)
        return self._stops.feed(text)

    def pass_on(self, piece: bytes) -> str:
        """Take one token's bytes in that no stop string is looked for in. Not after ``feed``."""
        text = self._decoder.decode(piece)
        self.decoded += len(text)
        return text

    def flush(self) -> tuple[str, str | None]:
        """What is left at the end: half a character becomes U+FFFD, a begun stop string is text after all."""
        rest = self._decoder.decode(b"", final=True)
        self.decoded += len(rest)
        text, stop = self._stops.feed(rest)
        return (text, stop) if stop is not None else (text + self._stops.flush(), None)


def _goes_on(half: bytes, byte: bytes) -> bool:
    """Whether *half* a character may have *byte* next."""
    try:
        codecs.utf_8_decode(half + byte, "strict", False)
    except UnicodeDecodeError:
        return False
    return True


def borders(pattern: Sequence[object]) -> tuple[int, ...]:
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
