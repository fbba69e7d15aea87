"""Prompt injection and jailbreaks, by signs that each add to a score.

Signs are phrases that tell a model to forget what it was told, roles without rules, orders not to refuse, markup of
system prompts and chat templates, and characters that nobody sees. A text is looked at in plain letters, in the other
ways to read it (``reading``), and as what is encoded in it (``decoding``): what is hidden counts more. A score is 1
minus the product of what each sign leaves: one sure sign or several weak ones reach a threshold of 0.5.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from jackfield_guardrails.decoding import decoded
from jackfield_guardrails.finding import Trait
from jackfield_guardrails.patterns import Pattern
from jackfield_guardrails.reading import narrow, plain, readings, together
from jackfield_guardrails.signs import ENGLISH, MARKUP, TOGETHER, TOOLS
from jackfield_guardrails.signs_abroad import ABROAD

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from jackfield.ports.guardrail import GuardedText
    from jackfield_guardrails.rules import InjectionRule
    from jackfield_guardrails.signs import Sign

SURE: Final = 0.95
"""More than this no sign weighs."""

CERTAIN: Final = 0.98
"""More sure nobody is who goes by signs."""

PIECE: Final = 16_384
"""Characters that are looked at in one step."""

SIGN_BYTES: Final = 1 << 20
"""Memory of one sign, of a hundred, where re2 would take 64 times as much by the length of hostile texts."""

SHARED: Final = 1024
"""Characters that neighbours have in common: more than nearly any sign is long."""

HIDDEN: Final = 0.35
"""What is added to the weight of signs in encoded text."""

TOOL_EXTRA: Final = 0.2
"""What is added to the weights in what tools say: nobody there has anything to tell a model."""

_EVERYWHERE: Final = frozenset({"jailbreak", "refusal"})
"""What stands in stories and reports as well."""

TAGS: Final = Pattern(r"[\x{E0000}-\x{E007F}]{4,}")
INVISIBLE: Final = Pattern(
    r"(?:[^\x{200B}-\x{200F}\x{202A}-\x{202E}\x{2060}-\x{2064}\x{FEFF}]{0,2}[\x{200B}\x{200E}\x{200F}\x{202A}-\x{202E}\x{2060}-\x{2064}\x{FEFF}]){8,}"
)


class _Found(NamedTuple):
    """A sign that was found."""

    code: str
    weight: float

    def weighed(self, *, tool: bool) -> float:
        """How much it says where a tool says it, or somebody else."""
        return min(SURE, self.weight + (TOOL_EXTRA if tool and self.code not in _EVERYWHERE else 0.0))


class InjectionJudge:
    """Adds up signs; see ``Judge``."""

    def __init__(self, rule: InjectionRule) -> None:
        self._threshold = rule.threshold
        self._roles = frozenset(rule.roles)
        self._all = _Signs([*ENGLISH, *MARKUP, *TOOLS, *ABROAD])
        self._together = _Signs(TOGETHER)

    def traits(self, text: GuardedText) -> Iterator[Trait]:
        if text.role not in self._roles:
            return
        found = self._found(text.text)
        if not found:
            return
        tool = text.role == "tool"
        score = min(CERTAIN, 1 - math.prod(1 - each.weighed(tool=tool) for each in found.values()))
        if score >= self._threshold:
            yield Trait(max(found.values(), key=lambda each: each.weight).code, score)

    def _found(self, text: str) -> Mapping[str, _Found]:
        """The signs in *text*, by what they are."""
        found: dict[str, _Found] = {}
        for piece in pieces(text):
            self._look(piece, found)
        return found

    def _look(self, piece: str, found: dict[str, _Found]) -> None:
        read = plain(piece)
        data = _bytes(read)
        open_signs = self._all.found(_bytes(narrow(read)))
        _note(found, open_signs, 0.0)
        for code, weight in _characters(piece):
            found.setdefault(code, _Found(code, weight))
        for other in readings(piece, read, data):
            # what stands there openly is not hidden
            _note(found, [sign for sign in self._all.found(_bytes(narrow(other))) if sign not in open_signs], HIDDEN)
        for other in together(read, data):
            _note(found, [*self._all.found(_bytes(other)), *self._together.found(_bytes(other))], HIDDEN)
        for inner in decoded(piece):
            _note(
                found,
                [sign for sign in self._all.found(_bytes(narrow(plain(inner)))) if sign not in open_signs],
                HIDDEN,
            )


class _Signs:
    """Some signs, compiled."""

    def __init__(self, signs: Sequence[Sign]) -> None:
        expressions = [plain(sign.expression) for sign in signs]
        self._signs = [
            (sign, Pattern(f"(?s){each}", memory=SIGN_BYTES)) for sign, each in zip(signs, expressions, strict=True)
        ]
        self._any = Pattern("(?s)" + "|".join(f"(?:{each})" for each in expressions))

    def found(self, data: bytes) -> Collection[Sign]:
        """Those that are in *data*."""
        if self._any.search(data, 0) is None:
            return ()
        return [sign for sign, pattern in self._signs if pattern.search(data, 0) is not None]


def _note(found: dict[str, _Found], signs: Collection[Sign], more: float) -> None:
    for sign in signs:
        before = found.get(sign.expression)
        if before is None or before.weight < sign.weight + more:
            found[sign.expression] = _Found("encoded" if more else sign.code, sign.weight + more)


def _bytes(text: str) -> bytes:
    return text.encode(errors="replace")


def pieces(text: str) -> Iterator[str]:
    """*text* in parts: no step over one of them takes so long that the event loop would notice.

    What begins a later part does not begin a line.
    """
    yield text[:PIECE]
    for start in range(PIECE - SHARED, len(text) - SHARED, PIECE - SHARED):
        yield f". {text[start : start + PIECE]}"


def _characters(text: str) -> Iterator[tuple[str, float]]:
    if text.isascii():
        return
    data = _bytes(text)
    if TAGS.search(data, 0):
        yield "invisible", 0.8
    elif INVISIBLE.search(data, 0):
        yield "invisible", 0.5
