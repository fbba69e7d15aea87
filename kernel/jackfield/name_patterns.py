"""Patterns of names, as operators write them in rules: of keys, teams, tenants, models, routes.

``*`` is any number of characters, ``?`` one, ``[ab]`` and ``[!ab]`` one of some or of all others; everything else is
itself. Capitals matter, and a pattern stands for a whole name. No star is ever tried a second time, so that the time is
at most the length of the name times that of the pattern, whatever both of them say.
"""

from __future__ import annotations

import re
from fnmatch import translate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class NamePatterns:
    """Some patterns, ready for use. Immutable; any thread.

    Parameters:
        written: As the operator wrote them. Without any, no name fits; ``bool`` says whether there are some.
    """

    __slots__ = ("_expression",)

    def __init__(self, written: Iterable[str]) -> None:
        # each is an atomic group for every star but the last (fnmatch, since Python 3.11)
        expressions = list(map(translate, written))
        self._expression = re.compile("|".join(expressions)) if expressions else None

    def __bool__(self) -> bool:
        return self._expression is not None

    def fit(self, name: str) -> bool:
        """Whether one of them stands for *name*."""
        return self._expression is not None and self._expression.match(name) is not None
