"""What rules look for: places in texts, and what texts are as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jackfield.ports.guardrail import GuardedText


class Place(NamedTuple):
    """Where something is, in characters."""

    start: int
    end: int
    code: str


class Trait(NamedTuple):
    """What a text is as a whole."""

    code: str
    score: float
    """0 to 1."""


class Detector(Protocol):
    """Finds places. Any thread."""

    @property
    def longest(self) -> int | None:
        """As ``GuardrailTraits.longest``."""
        ...

    def find(self, text: str, begin: int) -> Iterable[Place]:
        """What is in *text*, in order and without overlap, and ends after *begin*.

        What begins before *begin* is the rest of something that was found before.
        """
        ...


class Judge(Protocol):
    """Says what texts are. Any thread."""

    def traits(self, text: GuardedText) -> Iterable[Trait]:
        """What of *text* is a finding."""
        ...
