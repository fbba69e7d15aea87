"""How deep policies nest, told before Cedar reads them: at the end of its stack it ends the server."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

DEPTH_MAX: Final = 200
"""Most levels of one policy. Cedar has room for some thousands, and a policy by hand has ten."""

_SIGN: Final = re.compile(
    r'"(?:[^"\\]|\\.)*+"?|//[^\n]*|&&|\|\||[<>=!]=|\b(?:if|then|else|has|like|in|is)\b|[-+*!<>.()\[\]{},;]', re.DOTALL
)
_LINKS: Final = frozenset({"&&", "||", "+", "-", "*", "!", "if"})


class _Level(NamedTuple):
    """What nests between one bracket and the next."""

    links: int = 0
    """Operators that nest into each other to the end of the level, such as all of ``a && b && c``."""
    steps: int = 0
    """Those that nest only until the next link, such as the full stops of ``a.b.c``."""


def depth_of(policies: str) -> int:
    """At least as many levels as the deepest of *policies*, in Cedar, has; whether they are policies at all or not."""
    levels, deepest, outer = [_Level()], 0, 0
    for found in _SIGN.finditer(policies):
        sign, inner = found[0], levels[-1]
        if sign[0] == '"' or sign[:2] == "//":
            continue
        if sign in ")]}":
            if len(levels) > 1:
                levels.pop()
                outer -= sum(levels[-1]) + 1
            continue
        levels[-1] = inner = _after(inner, sign)
        if sign in "([{":
            outer += sum(inner) + 1
            levels.append(_Level())
        deepest = max(deepest, outer + sum(levels[-1]))
    return deepest


def _after(level: _Level, sign: str) -> _Level:
    if sign in ",;":
        return _Level()
    if sign in _LINKS:
        return _Level(level.links + 1)
    if sign in {"then", "else"}:
        return _Level(level.links)
    return level if sign in "({" else _Level(level.links, level.steps + 1)
