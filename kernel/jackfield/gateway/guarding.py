"""The guardrail stage: prompts are judged before a model sees them, answers before a client does."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, Generic

from jackfield.errors import ContentBlocked, GuardrailFailed, UnsupportedField
from jackfield.gateway.guarded_answers import AnswerRules, GuardedAnswers
from jackfield.gateway.guarded_texts import mapped
from jackfield.gateway.guarding_judging import Blocked, in_time, judged
from jackfield.gateway.guarding_masks import Masked
from jackfield.gateway.guarding_notes import Notes
from jackfield.gateway.guards import Guard, all_verdicts
from jackfield.gateway.plugged import plug
from jackfield.gateway.restoring import Placeholders
from jackfield.gateway.token_texts import token_texts
from jackfield.gateway.work import WorkT
from jackfield.moderation import Moderation
from jackfield.ports.guardrail import GuardedText, Subject

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from jackfield.context import RequestContext
    from jackfield.gateway.asked_models import AskedModels
    from jackfield.gateway.auditing import Auditing
    from jackfield.gateway.guarded_answers import Reading
    from jackfield.gateway.observing import Observers
    from jackfield.gateway.replica import Replica
    from jackfield.ports.guardrail import Channel, Finding, GuardrailFactory, Stage
    from jackfield.ports.policy import Obligations


class Guarded(Generic[WorkT]):
    """Work whose prompts have passed.

    Attributes:
        work: With what was masked in it.
        findings: What guardrails have found in it and let pass, or masked.
    """

    __slots__ = ("_rules", "findings", "work")

    def __init__(self, work: WorkT, findings: Sequence[Finding] = (), rules: AnswerRules | None = None) -> None:
        self.work: WorkT = work
        self.findings = findings
        self._rules = rules

    def reading(self, reading: Reading | None, context: RequestContext) -> Reading | None:
        """What reads the answers, after *reading*; None where they are told as they are."""
        return reading if self._rules is None else GuardedAnswers(self._rules, reading, context)


class Guarding:
    """All enabled guardrails, in manifest order. Event loop thread.

    Parameters:
        factories: By name, as ``Kernel.guardrails`` gives them.
        asked: The models, which guardrails may ask, and which know the text of tokens.
        auditing: Has findings written down.
        observers: Are told of findings.

    Raises:
        PluginError: A factory failed; the message names it.
    """

    def __init__(
        self,
        factories: Mapping[str, GuardrailFactory],
        asked: AskedModels,
        auditing: Auditing,
        observers: Observers,
    ) -> None:
        message = "whether this may pass cannot be told now; try again in a moment"
        makers = {name: (lambda factory=factory: factory(asked)) for name, factory in factories.items()}
        self._plugged = plug("guardrail", makers, GuardrailFailed, message)
        self._guards: Final = [Guard(each) for each in self._plugged]
        self._asked = asked
        self._auditing = auditing
        self._observers = observers

    @property
    def enabled(self) -> bool:
        """Whether anything is judged."""
        return bool(self._guards)

    @property
    def objects(self) -> Sequence[tuple[str, object]]:
        """What plugins have supplied, with their names."""
        return [(each.name, each.object) for each in self._plugged]

    async def enter(
        self, context: RequestContext, replica: Replica, work: WorkT, obligations: Obligations
    ) -> Guarded[WorkT]:
        """Judge the prompts of *work*, and mask what must be; ``context.masking`` knows what was.

        Raises:
            ContentBlocked: A guardrail blocks it.
            GuardrailFailed: One cannot tell, or one that a policy demands is not there.
            AuditFailed: A finding cannot be recorded, and must be.
        """
        demanded = self._demanded(obligations)
        notes = Notes(context, self._auditing, self._observers)
        subject = _subject("input", context, replica.name)
        placeholders: Placeholders | None = None
        guards = self._concerned(subject, demanded)
        if guards:
            work, placeholders = await self._judged(context, subject, guards, work, notes)
        findings = tuple(notes.findings)
        subject = _subject("output", context, replica.name)
        guards = self._concerned(subject, demanded)
        if not guards and placeholders is None:
            return Guarded(work, findings)
        return Guarded(
            work, findings, AnswerRules(subject=subject, guards=tuple(guards), notes=notes, placeholders=placeholders)
        )

    async def moderate(self, context: RequestContext, texts: Sequence[str]) -> Sequence[Moderation]:
        """What guardrails that moderate find in each of *texts*; nothing is masked, blocked or recorded.

        Raises:
            UnsupportedField: None of the enabled guardrails moderates, or none is for this caller.
            GuardrailFailed: One cannot tell.
        """
        subject = _subject("input", context, "")
        guards = [
            guard
            for guard in self._guards
            if guard.traits.moderation and guard.traits.default_on and guard.concerns(subject)
        ]
        if not guards:
            raise UnsupportedField("no guardrail is enabled here that moderates", param="input")
        guarded = [GuardedText(text=text) for text in texts]
        verdicts = await all_verdicts(guards, subject, guarded)
        known = sorted({category for guard in guards for category in guard.traits.categories})
        return [
            Moderation.of(known, [finding for own in verdicts for finding in own[number].findings])
            for number in range(len(texts))
        ]

    async def close(self) -> None:
        """Close all guardrails."""
        for guard in self._guards:
            with suppress(GuardrailFailed):
                await guard.close()

    async def _judged(
        self, context: RequestContext, subject: Subject, guards: Sequence[Guard], work: WorkT, notes: Notes
    ) -> tuple[WorkT, Placeholders | None]:
        """*work* with what is masked in it, and what of that the answers may have back."""
        tokens = await token_texts(self._asked, context, subject.model, work)
        texts: list[GuardedText] = []

        def collect(text: str, channel: Channel = "content", role: str = "") -> str:
            texts.append(GuardedText(text=text, channel=channel, role=role))
            return text

        mapped(work, collect)
        own = len(texts)
        texts += [GuardedText(text=text) for text in tokens]
        masked = Masked()
        try:
            left = await in_time(judged(guards, texts, "input", notes, masked.add), subject)
        except Blocked as blocked:
            raise blocked.error("the request") from None
        if left[own:] != tokens:
            raise ContentBlocked("a guardrail masks something in a prompt of tokens: send it as text")
        masking = masked.masking([text.text for text in texts], context.masking)
        if masking is None:
            return work, None
        context.masking = masking.united(context.masking)
        others = iter(left)
        work = mapped(work, lambda _text, _channel="content", _role="": next(others))
        return work, Placeholders(masking) if masking.restorable else None

    def _concerned(self, subject: Subject, demanded: Collection[str]) -> list[Guard]:
        """Those that judge the texts of *subject*."""
        return [
            guard
            for guard in self._guards
            if subject.stage in guard.traits.stages
            and (guard.name in demanded or (guard.traits.default_on and guard.concerns(subject)))
        ]

    def _demanded(self, obligations: Obligations) -> Collection[str]:
        known = {guard.name for guard in self._guards}
        missing = [name for name in obligations.guardrails if name not in known]
        if missing:
            raise GuardrailFailed(f"a policy demands the guardrail {missing[0]!r}, which is not enabled here")
        return obligations.guardrails


def _subject(stage: Stage, context: RequestContext, model: str) -> Subject:
    return Subject(
        stage=stage, request_id=context.request_id, model=model, route=context.route, principal=context.principal
    )
