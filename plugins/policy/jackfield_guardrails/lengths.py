"""Texts that are too long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield_guardrails.finding import Trait

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jackfield.ports.guardrail import GuardedText
    from jackfield_guardrails.rules import LengthRule


class LengthJudge:
    """Counts characters, lines and repetitions; see ``Judge``."""

    def __init__(self, rule: LengthRule) -> None:
        self._characters = rule.characters
        self._lines = rule.lines
        self._repeated = rule.repeated

    def traits(self, text: GuardedText) -> Iterator[Trait]:
        said = text.text
        if self._characters is not None and len(said) > self._characters:
            yield Trait("too_many_characters", 1.0)
        if self._lines is not None and said.count("\n") + 1 > self._lines:
            yield Trait("too_many_lines", 1.0)
        if self._repeated is not None and _longest_run(said, self._repeated) > self._repeated:
            yield Trait("repeated_character", 1.0)


def _longest_run(text: str, enough: int) -> int:
    """Characters of the first run of one character that is longer than *enough*; 0 where there is none."""
    at = 0
    step = enough + 1
    while at + step <= len(text):
        # a run of that length covers the last character of one of these steps
        last = at + step - 1
        start = last
        while start > 0 and last - start < enough and text[start - 1] == text[last]:
            start -= 1
        end = last + 1
        while end < len(text) and end - start <= enough and text[end] == text[last]:
            end += 1
        if end - start > enough:
            return end - start
        at += step
    return 0
