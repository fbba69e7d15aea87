"""google-re2 with types: what takes time linear in the text, whatever the expression."""

from __future__ import annotations

import importlib
from bisect import bisect_left
from typing import Any, Final, NamedTuple

_re2: Any = importlib.import_module("re2")

MEMORY_BYTES: Final = 64 << 20
"""Of one expression, compiled, with what it keeps of the texts it has seen: ten thousand words fit."""

WORD: Final = r"\pL\pN\pM_"
"""What words are made of, inside brackets."""


class PatternRefused(Exception):
    """re2 does not take the expression; the message says why."""


class Hit(NamedTuple):
    """A match, in bytes."""

    start: int
    end: int


class Pattern:
    """A compiled expression. Any thread.

    Groups capture nothing: what has to find them takes re2 a hundred times as long.

    Parameters:
        source: In re2's syntax.
        ignore_case: Whether capitals do not matter.
        longest: Whether the longest match wins, instead of the first alternative.
        memory: Bytes that it may take. It keeps steps that it has gone, which hostile texts make many of; where they
            are too many, it forgets them and begins again.

    Raises:
        PatternRefused: re2 does not take it.
    """

    def __init__(
        self, source: str, *, ignore_case: bool = False, longest: bool = False, memory: int = MEMORY_BYTES
    ) -> None:
        options = _re2.Options()
        options.max_mem = memory
        options.log_errors = False
        options.case_sensitive = not ignore_case
        options.longest_match = longest
        options.never_capture = True
        try:
            self._compiled = _re2.compile(source, options)
        except _re2.error as error:
            text = error.args[0] if error.args else ""
            raise PatternRefused(text.decode(errors="replace") if isinstance(text, bytes) else str(text)) from error

    def search(self, data: bytes, start: int, end: int | None = None) -> Hit | None:
        """The leftmost match from *start* to *end*; assertions see what stands before *start*."""
        found = self._compiled.search(data, start, end)
        return None if found is None else Hit(*found.span())

    def match(self, data: bytes, start: int) -> Hit | None:
        """The match that begins at *start*."""
        found = self._compiled.match(data, start)
        return None if found is None else Hit(*found.span())


class Encoded:
    """A text as re2 reads it, and where its characters are.

    Attributes:
        data: In UTF-8; lone surrogates are question marks.
    """

    __slots__ = ("_begins", "_plain", "data")

    def __init__(self, text: str) -> None:
        self.data: Final = text.encode(errors="replace")
        self._plain = len(self.data) == len(text)
        self._begins: list[int] | None = None

    def byte(self, index: int) -> int:
        """Where the character at *index* begins."""
        if self._plain:
            return index
        begins = self._characters()
        return begins[index] if index < len(begins) else len(self.data)

    def character(self, offset: int) -> int:
        """Which character begins at *offset*."""
        return offset if self._plain else bisect_left(self._characters(), offset)

    def _characters(self) -> list[int]:
        if self._begins is None:
            continuation = 0x80
            self._begins = [at for at, byte in enumerate(self.data) if byte & 0xC0 != continuation]
        return self._begins
