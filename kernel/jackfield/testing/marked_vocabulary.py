"""A vocabulary in which a family's marks are tokens of their own, for tests of grammars of calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.testing.kits.constraint_cases import KitVocabulary

if TYPE_CHECKING:
    from collections.abc import Sequence


class MarkedVocabulary(KitVocabulary):
    """The kit's, with *marks* as control tokens behind all others.

    Parameters:
        marks: Names of the tokens.
    """

    def __init__(self, marks: Sequence[str]) -> None:
        super().__init__()
        self._marks = {mark.encode(): KitVocabulary.vocabulary + index for index, mark in enumerate(marks)}
        self._special |= self._marks
        self._named = {token: name for name, token in self._marks.items()}
        self._longest = max(self._longest, *map(len, self._marks))
        self.vocabulary = KitVocabulary.vocabulary + len(self._marks)

    def name(self, token: int) -> bytes:
        """Marks have their own text."""
        return self._named.get(token) or super().name(token)
