"""Patterns of names. A ``*`` never reaches from one part of a name into the next."""

from __future__ import annotations

import re
from typing import Final

LENGTH_MAX: Final = 4096
"""Longer names fit nothing."""

_VALUE: Final = r"(?:[^,+\\]|\\.)"
"""A character of a value in a distinguished name; those with a backslash belong to it (RFC 4514, section 2.4)."""

_WITHIN: Final = {"DNS": r"[^.]", "URI": r"[^/]", "email": r"[^@]"}


class Pattern:
    """A pattern, ready for use. Any thread.

    No part of a name is tried twice for one star, so that no name takes long.

    Parameters:
        text: With stars.
        character: What a star stands for any number of, as an expression.
        ignore_case: Whether capitals are the same as small letters.
    """

    def __init__(self, text: str, character: str, *, ignore_case: bool = False) -> None:
        first, *others = text.split("*")
        middle = "".join(f"(?>{character}*?{re.escape(each)})" for each in others[:-1])
        last = f"{character}*{re.escape(others[-1])}" if others else ""
        flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
        self._expression = re.compile(f"{re.escape(first)}{middle}{last}", flags)

    def fits(self, name: str) -> bool:
        """Whether it stands for *name*."""
        return len(name) <= LENGTH_MAX and self._expression.fullmatch(name) is not None


def distinguished(text: str) -> Pattern:
    """Of a distinguished name."""
    return Pattern(text, _VALUE)


def common(text: str) -> Pattern:
    """Of a common name, which is one part."""
    return Pattern(text, ".")


def alternative(text: str) -> Pattern:
    """Of an alternative name with its kind: ``DNS:*.example.org``. Hosts are the same in capitals."""
    kind = text.partition(":")[0]
    return Pattern(text, _WITHIN[kind], ignore_case=kind == "DNS")
