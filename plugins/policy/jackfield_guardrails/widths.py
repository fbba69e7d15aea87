"""How long a match of an expression can be, read off the expression.

Only what bears on the length is read; re2 has taken the expression before, so that it is well formed.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

DEPTH_MAX: Final = 100
"""Groups inside groups."""

_REPEAT: Final = re.compile(r"\{(\d+)(,(\d*))?\}")
_GROUP: Final = re.compile(r"\?(?:P?<\w+>|[imsU-]*:|(?P<flags>[imsU-]+)\))")
_ESCAPE: Final = re.compile(r"\\(?:[pP](?:\{[^}]*\}|.)|x(?:\{[0-9A-Fa-f]+\}|[0-9A-Fa-f]{2})|[0-7]{1,3}|.)", re.DOTALL)
_CLASS: Final = re.compile(r"\[\^?\]?(?:\[:\^?\w+:\]|\\(?:[pPx]\{[^}]*\}|.)|[^\]\\])*\]", re.DOTALL)
_QUOTED: Final = re.compile(r"\\Q(.*?)(?:\\E|\Z)", re.DOTALL)


class Width(NamedTuple):
    """Characters of a match."""

    least: int
    most: int | None
    """None where there is no bound, or where the expression asks where the text begins or ends."""

    def then(self, other: Width) -> Width:
        """Of one after the other."""
        most = None if self.most is None or other.most is None else self.most + other.most
        return Width(self.least + other.least, most)

    def either(self, other: Width) -> Width:
        """Of one of both."""
        most = None if self.most is None or other.most is None else max(self.most, other.most)
        return Width(min(self.least, other.least), most)

    def times(self, least: int, most: int | None) -> Width:
        """Of so many of them."""
        bound = 0 if self.most == 0 else None if self.most is None or most is None else self.most * most
        return Width(self.least * least, bound)


_NOTHING: Final = Width(0, 0)
_ONE: Final = Width(1, 1)
_UNKNOWN: Final = Width(0, None)
_PLACES: Final = {"\\b": _NOTHING, "\\B": _NOTHING, "\\A": _UNKNOWN, "\\z": _UNKNOWN, "\\C": _UNKNOWN}


def width(expression: str) -> Width:
    """How long matches of *expression*, which re2 takes, are."""
    try:
        return _Reader(expression).alternatives(0)
    except RecursionError:
        return _UNKNOWN


class _Reader:
    def __init__(self, expression: str) -> None:
        self._text = expression
        self._at = 0

    def alternatives(self, depth: int) -> Width:
        """What stands up to the end, or to the closing parenthesis."""
        if depth > DEPTH_MAX:
            raise RecursionError
        found: Width | None = None
        branch = _NOTHING
        while self._at < len(self._text) and self._text[self._at] != ")":
            if self._text[self._at] == "|":
                self._at += 1
                found, branch = branch if found is None else found.either(branch), _NOTHING
            else:
                branch = branch.then(self._repeated(self._atom(depth)))
        return branch if found is None else found.either(branch)

    def _atom(self, depth: int) -> Width:
        character = self._text[self._at]
        if character == "(":
            return self._group(depth)
        if character == "[":
            return self._skip(_CLASS, _ONE)
        if character == "\\":
            return self._escaped()
        self._at += 1
        return _UNKNOWN if character in "^$" else _ONE

    def _group(self, depth: int) -> Width:
        self._at += 1
        opening = _GROUP.match(self._text, self._at)
        if opening:
            self._at = opening.end()
            if opening["flags"] is not None:
                return _NOTHING
        inner = self.alternatives(depth + 1)
        self._at += 1
        return inner

    def _escaped(self) -> Width:
        quoted = _QUOTED.match(self._text, self._at)
        if quoted:
            self._at = quoted.end()
            return Width(len(quoted[1]), len(quoted[1]))
        kind = _PLACES.get(self._text[self._at : self._at + 2], _ONE)
        return self._skip(_ESCAPE, kind)

    def _skip(self, pattern: re.Pattern[str], result: Width) -> Width:
        found = pattern.match(self._text, self._at)
        if found is None:  # re2 reads it otherwise than this does: no bound is sure
            self._at += 1
            return _UNKNOWN
        self._at = found.end()
        return result

    def _repeated(self, atom: Width) -> Width:
        while self._at < len(self._text):
            character = self._text[self._at]
            counted = _REPEAT.match(self._text, self._at)
            if character in "*+?":
                self._at += 1
                atom = atom.times(1 if character == "+" else 0, 1 if character == "?" else None)
            elif counted:
                self._at = counted.end()
                least = int(counted[1])
                most = least if counted[2] is None else int(counted[3]) if counted[3] else None
                atom = atom.times(least, most)
            else:
                break
            if self._text[self._at : self._at + 1] == "?":  # as short as possible: of the same lengths
                self._at += 1
        return atom
