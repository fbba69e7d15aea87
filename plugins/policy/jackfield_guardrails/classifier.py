"""A guardrail that asks a model of this server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from jackfield.errors import ContextLengthExceeded, GuardrailFailed, JackfieldError
from jackfield.ports.guardrail import DEADLINE_S, Finding, GuardrailTraits, Verdict
from jackfield_guardrails.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.ports.guardrail import Asking, GuardedText, Subject
    from jackfield_guardrails.rules import ClassifierRule

AT_ONCE: Final = 64
"""Windows that are asked about in one call."""

TIMEOUT_MAX_S: Final = DEADLINE_S - 5
"""How long a judgement may take: a rule says itself what becomes of requests then, before the kernel does."""

WINDOW_MIN: Final = 32
"""Characters that every model takes."""


class ClassifierGuardrail:
    """Cuts texts into windows and compares probabilities; see ``jackfield.ports.guardrail.Guardrail``.

    Parameters:
        rule: As it is written.
        asking: Has the model.
        category: What findings are called.
    """

    def __init__(self, rule: ClassifierRule, asking: Asking, category: str) -> None:
        self.traits = GuardrailTraits(
            stages=frozenset(rule.stages),
            channels=frozenset(rule.channels),
            window=rule.window,
            window_s=None if rule.window_ms is None else rule.window_ms / 1000,
            default_on=rule.default_on,
            moderation=rule.moderation,
            categories=(rule.category or category,),
        )
        self._rule = rule
        self._asking = asking
        self._category = rule.category or category
        self._size = rule.max_characters
        self._trouble = ""
        self._scope = Scope(rule)

    @property
    def troubles(self) -> Sequence[str]:
        """See ``jackfield.ports.condition.Condition``."""
        return (self._trouble,) if self._trouble else ()

    def concerns(self, subject: Subject) -> bool:
        return self._scope.has(subject)

    async def judge(self, subject: Subject, texts: Sequence[GuardedText]) -> Sequence[Verdict]:
        del subject
        try:
            return await self._verdicts(texts)
        except JackfieldError as error:
            self._trouble = f"the model {self._rule.model} cannot classify now ({type(error).__name__})"
            if isinstance(error, GuardrailFailed):
                self._trouble = error.message
            if self._rule.fail == "closed":
                raise
            return [Verdict() for _ in texts]

    async def close(self) -> None:
        return

    async def _verdicts(self, texts: Sequence[GuardedText]) -> Sequence[Verdict]:
        try:
            async with asyncio.timeout(TIMEOUT_MAX_S):
                return [await self._verdict(text) for text in texts]
        except TimeoutError:
            message = f"the model {self._rule.model} did not classify within {TIMEOUT_MAX_S:g} s"
            raise GuardrailFailed(message) from None

    async def _verdict(self, text: GuardedText) -> Verdict:
        if text.channel not in self._rule.channels or not text.text.strip():
            return Verdict()
        found = await self._probabilities(text.text)
        self._trouble = ""
        findings = [
            Finding(
                category=self._category,
                code=self._rule.code or self._rule.codes.get(label) or code_of(label),
                action=self._rule.action,
                score=max(0.0, min(1.0, found[label])),
            )
            for label, threshold in self._rule.thresholds.items()
            if found[label] >= threshold
        ]
        return Verdict(findings=tuple(findings))

    async def _probabilities(self, text: str) -> Mapping[str, float]:
        """The highest of each label in any window."""
        while True:
            try:
                return await self._asked(windows(text, self._size, self._rule.overlap))
            except ContextLengthExceeded:
                if self._size <= WINDOW_MIN:
                    raise
                self._size = max(WINDOW_MIN, self._size // 2)

    async def _asked(self, pieces: Sequence[str]) -> Mapping[str, float]:
        highest: dict[str, float] = {}
        for first in range(0, len(pieces), AT_ONCE):
            for labels in await self._asking.classify(self._rule.model, pieces[first : first + AT_ONCE]):
                for label, probability in labels.items():
                    highest[label] = max(highest.get(label, 0.0), probability)
        missing = sorted(self._rule.thresholds.keys() - highest.keys())
        if missing:
            raise GuardrailFailed(f"the model {self._rule.model} has no label {missing[0]!r}")
        return highest


def windows(text: str, size: int, overlap: int) -> list[str]:
    """*text* in pieces of at most *size* characters; neighbours share *overlap*, or half a piece where that is less."""
    step = size - min(overlap, size // 2)
    return [text[start : start + size] for start in range(0, max(1, len(text) - size + step), step)]


def code_of(label: str) -> str:
    """*label* as a code: small letters, digits and underscores."""
    plain = "".join(character if character.isalnum() and character.isascii() else "_" for character in label.lower())
    return plain.strip("_")[:32] or "label"
