"""What guardrails have found in one request: for policies, observers and the audit record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jackfield.gateway.summary import event_of
from jackfield.ports.observer import GuardrailActed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.context import RequestContext
    from jackfield.gateway.auditing import Auditing
    from jackfield.gateway.guards import Guard
    from jackfield.gateway.observing import Observers
    from jackfield.ports.audit import Outcome
    from jackfield.ports.guardrail import Action, Finding, Stage

_OUTCOMES: Final[dict[Action, Outcome]] = {"mask": "masked", "block": "blocked"}


class Notes:
    """Takes note of findings; each guardrail's are told once of prompts and once of answers, however often they come.

    Event loop thread.

    Parameters:
        context: Of the request.
        auditing: Has what masks or blocks written down.
        observers: Are told of it.
    """

    __slots__ = ("_auditing", "_context", "_observers", "_seen", "findings")

    def __init__(self, context: RequestContext, auditing: Auditing, observers: Observers) -> None:
        self._context = context
        self._auditing = auditing
        self._observers = observers
        self._seen: set[tuple[str, Stage, str, str, Action]] = set()
        self.findings: list[Finding] = []
        """All of them, those that let pass as well."""

    def take(self, guard: Guard, stage: Stage, findings: Sequence[Finding]) -> None:
        """*guard* has these findings.

        Raises:
            AuditFailed: They cannot be recorded, and must be.
        """
        for finding in findings:
            key = guard.name, stage, finding.category, finding.code, finding.action
            if key not in self._seen:
                self._seen.add(key)
                self.findings.append(finding)
                self._tell(guard, stage, finding)

    def _tell(self, guard: Guard, stage: Stage, finding: Finding) -> None:
        outcome = _OUTCOMES.get(finding.action)
        if outcome is None:
            return
        context = self._context
        self._observers.tell(
            GuardrailActed(
                guardrail=guard.name,
                stage=stage,
                category=finding.category,
                code=finding.code,
                action=outcome,
                model=context.model,
            )
        )
        if self._auditing.enabled:
            self._auditing.note(
                event_of(
                    context,
                    "guardrail",
                    stage,
                    outcome,
                    resource=context.model,
                    reason=f"{finding.category}/{finding.code}",
                    details={"guardrail": guard.name, "score": finding.score},
                )
            )
