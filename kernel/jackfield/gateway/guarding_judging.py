"""How texts are judged, whoever waits for the verdicts: what is asked, and what follows from the answers.

Judging is a generator: it yields what is to be asked, and is sent the verdicts. So the same code serves streams whose
guardrails answer at once, those for which somebody has to wait, and prompts.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, TypeVar

from jackfield.errors import ContentBlocked
from jackfield.gateway.guards import PASSED, Guard, all_verdicts
from jackfield.ports.guardrail import GuardedText, Mask, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.gateway.guarding_notes import Notes
    from jackfield.ports.guardrail import Finding, Stage, Subject

T = TypeVar("T")


class Asked(NamedTuple):
    """What some guardrails are asked at the same time."""

    guards: Sequence[Guard]
    texts: Sequence[GuardedText]


Judging: TypeAlias = Generator[Asked, Sequence[Sequence[Verdict]], T]
"""Yields what is asked; is sent what each guardrail says of each text."""


class Blocked(Exception):
    """A guardrail blocks what it was shown.

    Attributes:
        finding: Why.
    """

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.category)
        self.finding: Final = finding

    def error(self, what: str) -> ContentBlocked:
        """What the caller is told: *what* is blocked, and what kind of thing was found in it; never the text."""
        finding = self.finding
        error = ContentBlocked(f"{what} was blocked by a guardrail: {finding.category} ({finding.code})")
        error.category = finding.category
        return error


def masks_of(asked: Asked, verdicts: Sequence[Sequence[Verdict]], stage: Stage, notes: Notes) -> list[Sequence[Mask]]:
    """The masks of each text; what was found is noted.

    Raises:
        Blocked: A verdict blocks.
        AuditFailed: A finding cannot be recorded, and must be.
    """
    blocked: Finding | None = None
    masks: list[Sequence[Mask]] = [()] * len(asked.texts)
    for guard, own in zip(asked.guards, verdicts, strict=True):
        for number, verdict in enumerate(own):
            if verdict is PASSED:
                continue
            notes.take(guard, stage, verdict.findings)
            masks[number] = masks[number] or verdict.masks
            blocked = blocked or next((each for each in verdict.findings if each.action == "block"), None)
    if blocked is not None:
        raise Blocked(blocked)
    return masks


def in_order(guards: Sequence[Guard]) -> list[Sequence[Guard]]:
    """Who is asked together: those that mask one after the other, then all others."""
    others = [guard for guard in guards if not guard.traits.masks]
    return [*([guard] for guard in guards if guard.traits.masks), *([others] if others else [])]


def judged(
    guards: Sequence[Guard],
    texts: Sequence[GuardedText],
    stage: Stage,
    notes: Notes,
    masked: Callable[[str, Mask], None] | None = None,
) -> Judging[list[str]]:
    """Whole *texts*, as *guards* leave them.

    Parameters:
        guards: In the order of the manifest.
        texts: What is judged.
        stage: Of the request.
        notes: Is told of findings.
        masked: Is told of each mask, and what it has replaced.

    Raises:
        Blocked: A guardrail blocks one of them.
    """
    left = list(texts)
    for together in in_order(guards):
        asked = Asked(together, left)
        masks = masks_of(asked, (yield asked), stage, notes)
        left = [_with(text, own, masked) for text, own in zip(left, masks, strict=True)]
    return [each.text for each in left]


def _with(guarded: GuardedText, masks: Sequence[Mask], masked: Callable[[str, Mask], None] | None) -> GuardedText:
    if not masks:
        return guarded
    text, parts, done = guarded.text, [], 0
    for mask in masks:
        parts += [text[done : mask.start], mask.replacement]
        if masked is not None:
            masked(text[mask.start : mask.end], mask)
        done = mask.end
    parts.append(text[done:])
    return GuardedText(text="".join(parts), channel=guarded.channel, role=guarded.role)


def at_once(judging: Judging[T], subject: Subject) -> T:
    """What comes of *judging* by guardrails that all scan.

    Raises:
        GuardrailFailed: One of them broke.
    """
    try:
        asked = next(judging)
        while True:
            asked = judging.send([[guard.scan(subject, text) for text in asked.texts] for guard in asked.guards])
    except StopIteration as end:
        result: T = end.value
        return result


async def in_time(judging: Judging[T], subject: Subject) -> T:
    """What comes of *judging* by whatever guardrails; raises as ``at_once``."""
    try:
        asked = next(judging)
        while True:
            asked = judging.send(await all_verdicts(asked.guards, subject, asked.texts))
    except StopIteration as end:
        result: T = end.value
        return result
