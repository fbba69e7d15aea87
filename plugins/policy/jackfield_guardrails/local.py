"""Guardrails that judge at once, in this process."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from jackfield.ports.guardrail import Finding, GuardrailTraits, Mask, Verdict
from jackfield_guardrails.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jackfield.ports.guardrail import Action, GuardedText, Subject
    from jackfield_guardrails.finding import Detector, Judge, Place
    from jackfield_guardrails.placeholders import Numbers, Placeholders
    from jackfield_guardrails.rules import BlockingRule, MaskingRule

LONG: Final = 4096
"""Characters from which texts are judged on another thread, so that the event loop goes on meanwhile."""

CLEAN: Final = Verdict()


class LocalGuardrail:
    """What both kinds have; see ``jackfield.ports.guardrail.Guardrail`` and ``Scanner``."""

    def __init__(self, traits: GuardrailTraits, scope: Scope) -> None:
        self.traits = traits
        self._scope = scope

    def concerns(self, subject: Subject) -> bool:
        return self._scope.has(subject)

    async def judge(self, subject: Subject, texts: Sequence[GuardedText]) -> Sequence[Verdict]:
        if sum(len(each.text) for each in texts) < LONG:
            return self._judge(subject, texts)
        return await asyncio.to_thread(self._judge, subject, texts)

    def scan(self, subject: Subject, text: GuardedText) -> Verdict:
        """See ``Scanner``."""
        raise NotImplementedError

    async def close(self) -> None:
        return

    def _judge(self, subject: Subject, texts: Sequence[GuardedText]) -> Sequence[Verdict]:
        return [self.scan(subject, text) for text in texts]


class PlaceGuardrail(LocalGuardrail):
    """Finds places, and masks or blocks them.

    Parameters:
        rule: What becomes of them.
        detector: Finds them.
        category: What they are called.
        placeholders: Numbers what is masked; None where one replacement stands for all.
        restore: Whether the original may come back.
        longest: Characters of a stream that are held back at least.
    """

    def __init__(
        self,
        rule: MaskingRule,
        detector: Detector,
        category: str,
        placeholders: Placeholders | None = None,
        *,
        restore: bool = False,
        longest: int = 0,
    ) -> None:
        super().__init__(place_traits(rule, detector, category, longest), Scope(rule))
        self._rule = rule
        self._channels = frozenset(rule.channels)
        self._detector = detector
        self._category = rule.category or category
        self._placeholders = placeholders
        self._restore = restore

    def scan(self, subject: Subject, text: GuardedText) -> Verdict:
        if text.channel not in self._channels:
            return CLEAN
        places = self._settled(text)
        if not places:
            return CLEAN
        return Verdict(findings=self._findings(places), masks=self._masks(subject, text.text, places))

    def _judge(self, subject: Subject, texts: Sequence[GuardedText]) -> Sequence[Verdict]:
        if self._placeholders is not None:
            with self._placeholders.lock:
                numbers = self._placeholders.of(subject)
                for text in texts:
                    numbers.avoid(text.text)
        return super()._judge(subject, texts)

    def _settled(self, text: GuardedText) -> list[Place]:
        """What is found, as far as what follows can change nothing of it."""
        longest = self.traits.longest
        last = len(text.text)
        if not text.complete and longest is not None:
            last -= longest
        found: list[Place] = []
        for place in self._detector.find(text.text, text.begin):
            if place.start > last:
                break
            found.append(place)
        return found

    def _findings(self, places: Iterable[Place]) -> tuple[Finding, ...]:
        codes = dict.fromkeys(self._rule.code or place.code for place in places)
        return tuple(Finding(category=self._category, code=code, action=self._rule.action) for code in codes)

    def _masks(self, subject: Subject, text: str, places: Sequence[Place]) -> tuple[Mask, ...]:
        if self._rule.action != "mask":
            return ()
        if self._placeholders is None:
            return tuple(Mask(place.start, place.end, self._replacement(place)) for place in places)
        restore = self._restore and subject.stage == "input"
        with self._placeholders.lock:
            numbers = self._placeholders.of(subject)
            numbers.avoid(text)
            return tuple(Mask(place.start, place.end, _numbered(numbers, text, place), restore) for place in places)

    def _replacement(self, place: Place) -> str:
        return self._rule.replacement or f"[{(self._rule.code or place.code).upper()}]"


class WholeGuardrail(LocalGuardrail):
    """Says what texts are as a whole, and blocks them.

    Parameters:
        rule: What becomes of them.
        judge: Says it.
        category: What findings are called.
    """

    def __init__(self, rule: BlockingRule, judge: Judge, category: str) -> None:
        super().__init__(whole_traits(rule, category), Scope(rule))
        self._channels = frozenset(rule.channels)
        self._teller = judge
        self._category = rule.category or category
        self._code = rule.code
        self._action: Action = rule.action

    def scan(self, subject: Subject, text: GuardedText) -> Verdict:
        del subject
        if text.channel not in self._channels:
            return CLEAN
        found = [
            Finding(
                category=self._category,
                code=self._code or trait.code,
                action=self._action,
                score=max(0.0, min(1.0, trait.score)),
            )
            for trait in self._teller.traits(text)
        ]
        return Verdict(findings=tuple(found)) if found else CLEAN


def place_traits(rule: MaskingRule, detector: Detector, category: str, longest: int) -> GuardrailTraits:
    """What the kernel must know of a rule that finds places."""
    least = max(longest, getattr(rule, "longest", 0))
    return GuardrailTraits(
        stages=frozenset(rule.stages),
        channels=frozenset(rule.channels),
        masks=rule.action == "mask",
        longest=None if detector.longest is None else max(detector.longest, least),
        default_on=rule.default_on,
        moderation=rule.moderation,
        categories=(rule.category or category,),
    )


def whole_traits(rule: BlockingRule, category: str) -> GuardrailTraits:
    """What the kernel must know of a rule that judges whole texts."""
    return GuardrailTraits(
        stages=frozenset(rule.stages),
        channels=frozenset(rule.channels),
        default_on=rule.default_on,
        moderation=rule.moderation,
        categories=(rule.category or category,),
    )


def _numbered(numbers: Numbers, text: str, place: Place) -> str:
    return numbers.placeholder(place.code.upper(), text[place.start : place.end])
