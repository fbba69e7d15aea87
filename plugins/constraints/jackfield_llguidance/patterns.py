"""Patterns of JSON Schema (ECMA-262) as regular expressions of Rust's ``regex`` crate, which llguidance reads.

The two agree on most things and differ silently on some: ``.``, sets in sets, flags. Those are rewritten or refused.
"""

from __future__ import annotations

import re
from typing import Final

from jackfield_llguidance.limits import PATTERN_MAX

_QUANTIFIER: Final = re.compile(r"\{\d{1,6}(?:,\d{0,6})?\}")
_GROUP_NAME: Final = re.compile(r"\?P?<[A-Za-z_]\w*>")
_PROPERTY: Final = re.compile(r"\{\w+(?:=\w+)?\}")
_ANY: Final = r"[^\n\r\x{2028}\x{2029}]"
"""ECMA-262's dot."""
_SHORTHANDS: Final = "dDwWsS"
_SHORTHAND_ESCAPES: Final = (*("\\" + letter for letter in _SHORTHANDS), r"\p", r"\P")
_LETTERS: Final = {"t": r"\t", "n": r"\n", "r": r"\r", "f": r"\f", "v": r"\v", "0": r"\x00"}
_SPECIAL: Final = frozenset("\\^$.|?*+()[]{}/-&~#")
_SURROGATES: Final = range(0xD800, 0xE000)
_LOW_SURROGATE: Final = re.compile(r"\\u([dD][c-fC-F][0-9a-fA-F]{2})")


class PatternRefused(ValueError):
    """The pattern has something that cannot be enforced; the message says what."""


def translate(pattern: str) -> str:
    """*pattern* in Rust's syntax.

    Parameters:
        pattern: As JSON Schema's ``pattern`` has it: found anywhere in the text unless it is anchored.

    Raises:
        PatternRefused: It is too long, malformed, or uses what cannot be enforced.
    """
    if len(pattern) > PATTERN_MAX:
        raise PatternRefused(f"a pattern may have {PATTERN_MAX} characters")
    return _Translation(pattern).run()


class _Translation:
    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0

    def run(self) -> str:
        parts = []
        while self._at < len(self._pattern):
            parts.append(self._next())
        return "".join(parts)

    def _next(self) -> str:
        character = self._take()
        if character == "\\":
            return self._escape()
        if character == "(":
            return self._group()
        if character == "[":
            return self._set()
        if character == "{":
            return self._found(_QUANTIFIER, back=1) or r"\{"
        if character == ".":
            return _ANY
        return "\\" + character if character in "}]" else character

    def _take(self) -> str:
        if self._at >= len(self._pattern):
            raise PatternRefused("it ends in the middle")
        self._at += 1
        return self._pattern[self._at - 1]

    def _found(self, expression: re.Pattern[str], back: int = 0) -> str:
        """What *expression* matches *back* characters before here, and pass it; empty where it does not."""
        match = expression.match(self._pattern, self._at - back)
        if match is None:
            return ""
        self._at = match.end()
        return match[0]

    def _group(self) -> str:
        if not self._pattern.startswith("?", self._at):
            return "(?:"
        if self._pattern.startswith("?:", self._at):
            self._at += 2
            return "(?:"
        if self._pattern.startswith(("?=", "?!", "?<=", "?<!"), self._at):
            raise PatternRefused("look-around cannot be enforced")
        if not self._found(_GROUP_NAME):
            raise PatternRefused("flags cannot be enforced")
        return "(?:"

    def _escape(self) -> str:
        character = self._take()
        if character in _SHORTHANDS:
            return "\\" + character
        if character in "pP":
            return "\\" + character + self._need(_PROPERTY, "a Unicode property needs a name in braces")
        if character in "bB":
            raise PatternRefused("word boundaries cannot be enforced")
        if character == "k" or character in "123456789":
            raise PatternRefused("back-references cannot be enforced")
        return self._literal_escape(character)

    def _literal_escape(self, character: str) -> str:
        if character in _LETTERS:
            return _LETTERS[character]
        if character in "xu":
            return self._code(character)
        if character == "c":
            letter = self._take()
            if not ("a" <= letter.lower() <= "z"):
                raise PatternRefused("\\c needs a letter")
            return f"\\x{ord(letter) % 32:02x}"
        if character.isalnum():
            raise PatternRefused(f"\\{character} is unknown")
        return _plain(character)

    def _code(self, kind: str) -> str:
        digits = self._need(
            re.compile(r"[0-9a-fA-F]{2}" if kind == "x" else r"[0-9a-fA-F]{4}|\{[0-9a-fA-F]{1,6}\}"), ""
        )
        code = int(digits.strip("{}"), 16)
        if code in _SURROGATES:
            low = _LOW_SURROGATE.match(self._pattern, self._at)
            if low is None or code >= 0xDC00:  # noqa: PLR2004  # where low surrogates begin
                raise PatternRefused("half of a character cannot be enforced")
            self._at = low.end()
            code = 0x10000 + ((code - 0xD800) << 10) + int(low[1], 16) - 0xDC00
        return f"\\x{{{code:x}}}"

    def _need(self, expression: re.Pattern[str], otherwise: str) -> str:
        found = self._found(expression)
        if not found:
            raise PatternRefused(otherwise or "an escape lacks its digits")
        return found

    def _set(self) -> str:
        parts = ["["]
        if self._pattern.startswith("^", self._at):
            self._at += 1
            parts.append("^")
        if self._pattern.startswith("]", self._at):
            raise PatternRefused("an empty set is not supported")
        ranges = False  # whether a dash may begin a range here
        while (character := self._take()) != "]":
            if character == "-" and ranges and not self._pattern.startswith(("]", *_SHORTHAND_ESCAPES), self._at):
                parts.append("-" + self._member(self._take()))
                ranges = False
            else:
                member = self._member(character)
                parts.append(member)
                ranges = not member.startswith(_SHORTHAND_ESCAPES)
        return "".join(parts) + "]"

    def _member(self, character: str) -> str:
        if character != "\\":
            return _plain(character)
        if self._pattern.startswith("b", self._at):
            self._at += 1
            return r"\x08"
        return self._escape()


def _plain(character: str) -> str:
    return "\\" + character if character in _SPECIAL else character
