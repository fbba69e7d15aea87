"""JSON as it comes: where a value ends, and whether it is one (RFC 8259). Nothing is built."""

from __future__ import annotations

import math
import re
from typing import Final

DEPTH_MAX: Final = 64
"""Deepest nesting that is followed; arguments of real tools have a handful."""

_SPACE: Final = " \t\r\n"
_SCALAR: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null")
_SCALAR_SIGNS: Final = frozenset("-+.0123456789abcdefghijklmnopqrstuvwxyzE")
_SCALAR_MAX: Final = 512
_PLAIN: Final = re.compile(r'[^"\\\x00-\x1f]+')
_FRACTION: Final = frozenset(".eE")
_HEX: Final = frozenset("0123456789abcdefABCDEF")
_ESCAPES: Final = frozenset('"\\/bfnrt')


class NotJson(Exception):
    """The text is no JSON value; ``at`` is the index of the first character that cannot stand there."""

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.at = at


class JsonScanner:
    """Follows one JSON value through a text that comes in parts.

    A number that nothing ends is complete only with ``end``. Event loop thread of the gateway.
    """

    __slots__ = ("_escape", "_expects", "_in_string", "_scalar", "_stack", "done")

    def __init__(self) -> None:
        self._stack: list[str] = []
        """What is open: ``{`` or ``[``."""
        self._expects = "value"
        self._in_string = False
        self._escape = ""
        self._scalar = ""
        self.done = False
        """Whether the value is complete."""

    def feed(self, text: str) -> int:
        """Follow *text*; how many of its characters belong to the value: all of them until it is done.

        Raises:
            NotJson: It cannot go on like that.
        """
        at = 0
        while at < len(text) and not self.done:
            at = self._string(text, at) if self._in_string else self._outside(text, at)
        return at

    def end(self) -> bool:
        """The text is over; whether the value is complete."""
        if self._scalar and not self._stack and _is_scalar(self._scalar):
            self.done = True
        return self.done

    def _outside(self, text: str, at: int) -> int:
        sign = text[at]
        if self._scalar:
            if sign in _SCALAR_SIGNS and len(self._scalar) < _SCALAR_MAX:
                self._scalar += sign
                return at + 1
            self._close_scalar(at)
            return at
        if sign in _SPACE:
            return at + 1
        self._structure(sign, at)
        return at + 1

    def _structure(self, sign: str, at: int) -> None:
        if sign == '"' and self._expects in {"value", "value or ]", "key", "key or }"}:
            self._in_string = True
        elif sign in "{[" and self._expects.startswith("value"):
            self._open(sign, at)
        elif sign in "}]" and self._expects in _MAY_CLOSE[sign] and self._stack and self._stack[-1] == _OPENS[sign]:
            self._stack.pop()
            self._after_value()
        elif sign == ":" and self._expects == ":":
            self._expects = "value"
        elif sign == "," and self._expects == ", or end":
            self._expects = "key" if self._stack[-1] == "{" else "value"
        elif sign in _SCALAR_SIGNS and self._expects.startswith("value"):
            self._scalar = sign
        else:
            raise NotJson(at)

    def _open(self, sign: str, at: int) -> None:
        if len(self._stack) == DEPTH_MAX:
            raise NotJson(at)
        self._stack.append(sign)
        self._expects = "key or }" if sign == "{" else "value or ]"

    def _string(self, text: str, at: int) -> int:
        if self._escape:
            return self._escaped(text[at], at)
        plain = _PLAIN.match(text, at)
        if plain is not None:
            return plain.end()
        if text[at] == "\\":
            self._escape = "\\"
        elif text[at] == '"':
            self._in_string = False
            if self._expects.startswith("key"):
                self._expects = ":"
            else:
                self._after_value()
        else:
            raise NotJson(at)
        return at + 1

    def _escaped(self, sign: str, at: int) -> int:
        if self._escape == "\\":
            if sign not in _ESCAPES and sign != "u":
                raise NotJson(at)
            self._escape = "u" if sign == "u" else ""
        elif sign in _HEX:
            self._escape = "" if len(self._escape) == len("u000") else self._escape + sign
        else:
            raise NotJson(at)
        return at + 1

    def _close_scalar(self, at: int) -> None:
        if not _is_scalar(self._scalar):
            raise NotJson(at)
        self._scalar = ""
        self._after_value()

    def _after_value(self) -> None:
        self._expects = ", or end"
        self.done = not self._stack


_OPENS: Final = {"}": "{", "]": "["}
_MAY_CLOSE: Final = {"}": frozenset({"key or }", ", or end"}), "]": frozenset({"value or ]", ", or end"})}


def is_json(text: str) -> bool:
    """Whether *text* is one JSON value that ``JsonScanner`` takes, with white space around it. Any thread."""
    scanner = JsonScanner()
    try:
        rest = text[scanner.feed(text) :]
    except NotJson:
        return False
    return scanner.end() and not rest.strip(_SPACE)


def _is_scalar(text: str) -> bool:
    """Whether it is one, and no number that others could only read as infinite."""
    if not _SCALAR.fullmatch(text):
        return False
    return text[0] in "tfn" or _FRACTION.isdisjoint(text) or math.isfinite(float(text))


_ESCAPED: Final = re.compile(
    r"(?P<pair>\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|(?P<begun>\\(?:u[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u[0-9a-fA-F]{0,3})?)?|u[0-9a-fA-F]{0,3})?\Z)"
    r"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    r"|\\.",
    re.DOTALL,
)


class HalfMender:
    r"""Replaces escapes of half a character that stand alone, in JSON that comes in parts: ``\ud83c`` by ``\ufffd``.

    The grammar of JSON has them (RFC 8259, section 8.2), but strict readers, msgspec's among them, take none. Event
    loop thread of the gateway.
    """

    def __init__(self) -> None:
        self._held = ""
        """The beginning of an escape, or of a pair of them."""

    def feed(self, text: str) -> str:
        """*text* as it can be passed on now."""
        if not self._held and "\\" not in text:  # nearly always
            return text
        text, self._held = self._held + text, ""
        return _ESCAPED.sub(self._mended, text)

    def end(self) -> str:
        """What is left where the text breaks off."""
        held, self._held = self._held, ""
        return held

    def _mended(self, found: re.Match[str]) -> str:
        if found["begun"]:
            self._held = found[0]
            return ""
        return r"\ufffd" if found["half"] else found[0]


def mended(text: str) -> str:
    """The whole of a JSON *text*, mended."""
    mender = HalfMender()
    return mender.feed(text) + mender.end()
