"""Guardrails for tests of the stage that calls them."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from jackfield.context import RequestContext
from jackfield.errors import GuardrailFailed
from jackfield.gateway.asked_models import AskedModels
from jackfield.gateway.auditing import Auditing
from jackfield.gateway.guarded_answers import AnswerRules, GuardedAnswers
from jackfield.gateway.guarding import Guarding
from jackfield.gateway.guarding_notes import Notes
from jackfield.gateway.guards import Guard
from jackfield.gateway.observing import Observers
from jackfield.gateway.plugged import Plugged
from jackfield.gateway.restoring import Placeholders
from jackfield.masking import Masking
from jackfield.ports.guardrail import Finding, GuardrailTraits, Mask, Subject, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.gateway.guarded_answers import Reading
    from jackfield.ports.audit import AuditEvent, AuditSinkFactory
    from jackfield.ports.guardrail import Action, Channel, GuardedText, Guardrail, Stage
    from jackfield.ports.observer import ObservedEvent

EVERYTHING: frozenset[Channel] = frozenset({"content", "reasoning", "arguments"})
BOTH: frozenset[Stage] = frozenset({"input", "output"})


class Watchman:
    """Looks for a pattern, and takes its time.

    Parameters:
        pattern: What to look for.
        action: What becomes of it.
        replacement: What stands there then; ``{n}`` is the number of the first occurrence of the same text.
        restore: Whether answers may have it back.
        longest: See ``GuardrailTraits``.
        window: See there.
        window_s: See there.
        stages: When it looks.
        channels: Where.
        default_on: Whether it looks without being asked to.
        concerned: Whether it wants to.
    """

    def __init__(
        self,
        pattern: str,
        action: Action = "block",
        replacement: str = "***",
        *,
        restore: bool = False,
        longest: int | None = 12,
        window: int | None = None,
        window_s: float | None = None,
        stages: frozenset[Stage] = BOTH,
        channels: frozenset[Channel] = EVERYTHING,
        default_on: bool = True,
        concerned: bool = True,
    ) -> None:
        self._pattern = re.compile(pattern)
        self._finding = Finding(category="test", code="pattern", action=action)
        self._replacement = replacement
        self._restore = restore
        self._concerned = concerned
        self.traits = GuardrailTraits(
            stages=stages,
            channels=channels,
            masks=action == "mask",
            longest=longest,
            window=window,
            window_s=window_s,
            default_on=default_on,
            categories=("test",),
        )
        self.seen: list[GuardedText] = []
        self.subjects: list[Subject] = []
        self.closed = False
        self.broken: Exception | None = None
        self.wrong: Verdict | None = None
        self.open = asyncio.Event()
        self.open.set()
        self.judged = asyncio.Event()

    def concerns(self, subject: Subject) -> bool:
        """As it was made."""
        return self._concerned

    async def judge(self, subject: Subject, texts: Sequence[GuardedText]) -> Sequence[Verdict]:
        """Once it is open."""
        await self.open.wait()
        numbers: dict[str, int] = {}
        self.subjects.append(subject)
        self.judged.set()
        return [self.look(text, numbers) for text in texts]

    def look(self, text: GuardedText, numbers: dict[str, int]) -> Verdict:
        """What it says of one text."""
        if self.broken is not None:
            raise self.broken
        self.seen.append(text)
        if self.wrong is not None:
            return self.wrong
        found = [
            each
            for each in self._pattern.finditer(text.text)
            if each.start() >= text.begin and (text.complete or each.end() < len(text.text))
        ]
        if not found:
            return Verdict()
        masks = [
            Mask(
                each.start(),
                each.end(),
                self._replacement.format(n=numbers.setdefault(each[0], len(numbers) + 1)),
                self._restore,
            )
            for each in found
        ]
        return Verdict(findings=(self._finding,), masks=tuple(masks) if self.traits.masks else ())

    async def close(self) -> None:
        """Take note."""
        self.closed = True


class QuickWatchman(Watchman):
    """One that answers at once."""

    def scan(self, subject: Subject, text: GuardedText) -> Verdict:
        """See ``Scanner``."""
        return self.look(text, {})


class Witness:
    """An audit sink and an observer that keep what they are told."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []
        self.observed: list[ObservedEvent] = []

    def note(self, event: AuditEvent) -> None:
        """Keep it."""
        self.events.append(event)

    async def write(self, event: AuditEvent) -> None:
        """Keep it."""
        self.events.append(event)

    def observe(self, event: ObservedEvent) -> None:
        """Keep it."""
        self.observed.append(event)

    async def close(self) -> None:
        """Nothing to give back."""


def guarding(witness: Witness | None = None, **guardrails: Guardrail) -> Guarding:
    """The stage with *guardrails*, in their order."""
    factories = {name: (lambda _asking, made=made: made) for name, made in guardrails.items()}
    sinks: Mapping[str, AuditSinkFactory] = {} if witness is None else {"witness": lambda: witness}
    observers = Observers({} if witness is None else {"witness": lambda: witness})
    return Guarding(factories, AskedModels(), Auditing(sinks), observers)


def context(*, whole: bool = False) -> RequestContext:
    """Of some request."""
    made = RequestContext("req-1", "/v1/chat/completions", "127.0.0.1")
    made.whole = whole
    return made


def guard(name: str, guardrail: Guardrail) -> Guard:
    """*guardrail* as the gateway calls it."""
    return Guard(Plugged("guardrail", name, lambda: guardrail, GuardrailFailed, "it cannot be told"))


def answers(
    *guardrails: Guardrail,
    restorable: Mapping[str, str] | None = None,
    reading: Reading | None = None,
    whole: bool = False,
) -> GuardedAnswers:
    """What judges the answers to one request by *guardrails*, with *restorable* placeholders."""
    own = context(whole=whole)
    placeholders = Placeholders(Masking({}, restorable)) if restorable else None
    rules = AnswerRules(
        subject=Subject(stage="output", request_id="req-1", model="demo", route="/"),
        guards=tuple(guard(f"g{number}", each) for number, each in enumerate(guardrails)),
        notes=Notes(own, Auditing({}), Observers({})),
        placeholders=placeholders,
    )
    return GuardedAnswers(rules, reading, own)
