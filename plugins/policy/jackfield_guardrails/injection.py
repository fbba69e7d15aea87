"""Prompt injection and jailbreaks, by signs that each add to a score.

Signs are phrases that tell a model to forget what it was told, roles without rules, markup of system prompts and chat
templates, and characters that nobody sees. A text is looked at as it is, folded (``folding``), and as what is encoded
in it (``decoding``): what is hidden counts more. A score is 1 minus the product of what each sign leaves: one sure sign
or several weak ones reach a threshold of 0.5.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from jackfield_guardrails.decoding import decoded
from jackfield_guardrails.finding import Trait
from jackfield_guardrails.folding import Folded
from jackfield_guardrails.patterns import Pattern
from jackfield_guardrails.signs import SIGNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from jackfield.ports.guardrail import GuardedText
    from jackfield_guardrails.rules import InjectionRule

SURE: Final = 0.95
"""More than this no sign weighs."""

PIECE: Final = 16_384
"""Characters that are looked at in one step."""

SHARED: Final = 1024
"""Characters that neighbours have in common: more than any sign is long."""

HIDDEN: Final = 0.35
"""What is added to the weight of signs in encoded text."""


TOOL_EXTRA: Final = 0.2
"""What is added to the weights in what tools say: nobody there has anything to tell a model."""

TAGS: Final = Pattern(r"[\x{E0000}-\x{E007F}]{4,}")
INVISIBLE: Final = Pattern(
    r"(?:[^\x{200B}-\x{200F}\x{202A}-\x{202E}\x{2060}-\x{2064}\x{FEFF}]{0,2}[\x{200B}\x{200E}\x{200F}\x{202A}-\x{202E}\x{2060}-\x{2064}\x{FEFF}]){8,}"
)


class InjectionJudge:
    """Adds up signs; see ``Judge``."""

    def __init__(self, rule: InjectionRule) -> None:
        self._threshold = rule.threshold
        self._roles = frozenset(rule.roles)
        self._signs = [(sign, Pattern(f"(?s){sign.expression}")) for sign in SIGNS]
        self._any = Pattern("(?s)" + "|".join(f"(?:{sign.expression})" for sign in SIGNS))

    def traits(self, text: GuardedText) -> Iterator[Trait]:
        if text.role not in self._roles:
            return
        found = self._found(text.text)
        extra = TOOL_EXTRA if text.role == "tool" else 0.0
        score = 1 - math.prod(1 - min(SURE, weight + extra) for weight in found.values())
        if found and score >= self._threshold:
            yield Trait(max(found, key=lambda code: found[code]), score)

    def _found(self, text: str) -> Mapping[str, float]:
        """The heaviest sign of each code in *text*, and in what is encoded in it."""
        best: dict[str, float] = {}
        for piece in pieces(text):
            signs = [*self._signs_in(piece), *_characters(piece)]
            for inner in decoded(piece):
                signs += [("encoded", weight + HIDDEN) for _, weight in self._signs_in(inner)]
            for code, weight in signs:
                best[code] = max(best.get(code, 0.0), weight)
        return best

    def _signs_in(self, text: str) -> Iterator[tuple[str, float]]:
        data = Folded(text).text.encode(errors="replace")
        if self._any.search(data, 0) is None:
            return
        for sign, pattern in self._signs:
            if pattern.search(data, 0) is not None:
                yield sign.code, sign.weight


def pieces(text: str) -> Iterator[str]:
    """*text* in parts: no step over one of them takes so long that the event loop would notice.

    What begins a later part does not begin a line.
    """
    yield text[:PIECE]
    for start in range(PIECE - SHARED, len(text) - SHARED, PIECE - SHARED):
        yield f". {text[start : start + PIECE]}"


def _characters(text: str) -> Iterable[tuple[str, float]]:
    if text.isascii():
        return ()
    data = text.encode(errors="replace")
    found: Sequence[tuple[str, float]] = [("invisible", 0.8)] if TAGS.search(data, 0) else []
    return found or ([("invisible", 0.5)] if INVISIBLE.search(data, 0) else ())
