"""Checks: what ``jackfield doctor`` finds out about this machine and this configuration.

``jackfield_checks`` hands over factories of ``Check`` by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

import msgspec

Level: TypeAlias = Literal["ok", "warn", "error"]
"""``warn``: it works, but not as well as it could. ``error``: it will not work."""


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found."""

    level: Level
    message: str
    """What is the case, as half a sentence: ``"llama.cpp b5678, AVX2"``. No key or other secret."""
    fix: str = ""
    """What to do about it; needed where the level is not ``ok``."""

    def __post_init__(self) -> None:
        if not self.message:
            raise ValueError("message must not be empty")
        if self.level != "ok" and not self.fix:
            raise ValueError("fix must say what to do where the level is not ok")


class Check(Protocol):
    """Finds out one thing."""

    def run(self) -> CheckResult:
        """Look, change nothing, and say what is the case.

        Process and thread: command line, main thread of a process of its own that loads no model; once. Deadline: 20 s;
        then the process is ended and the check reported by name as one that hangs. Failure policy: open; raising is the
        same as finding an error.
        """
        ...


CheckFactory: TypeAlias = Callable[[], Check]
"""What ``jackfield_checks`` hands over; what is heavy to import belongs in it."""
