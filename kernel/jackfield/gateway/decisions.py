"""Decisions of policies, as the audit record has them: the decision log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from jackfield.errors import JackfieldError, PolicyDenied, http
from jackfield.gateway.summary import event_of
from jackfield.ports.policy import Decision, Obligations

if TYPE_CHECKING:
    from jackfield.context import RequestContext
    from jackfield.ports.audit import AuditEvent, Detail, Outcome
    from jackfield.ports.policy import PolicyInput

Verdicts: TypeAlias = Sequence[tuple[str, Decision | JackfieldError]]
"""What each engine, by name, has decided, or why it could not."""

_FREE: Final = Obligations()


def decided_event(
    context: RequestContext,
    question: PolicyInput,
    verdicts: Verdicts,
    obligations: Obligations,
    error: JackfieldError | None,
) -> AuditEvent:
    """The event of one decision.

    Parameters:
        context: Of the request; it has the decision's id.
        question: What was asked. All of it is recorded, so that ``jackfield policy eval`` can ask it again: it has no
            text of a prompt.
        verdicts: Of all engines.
        obligations: What they come to.
        error: What the caller is told; None where it is allowed.
    """
    outcome: Outcome = "allowed" if error is None else "denied" if isinstance(error, PolicyDenied) else "failed"
    reasons = [reason for _, each in verdicts if isinstance(each, Decision) for reason in each.reasons]
    details: dict[str, Detail] = {
        "engines": tuple(f"{name}: {_word(verdict)}" for name, verdict in verdicts),
        "route": question.request.route,
        "input": msgspec.json.encode(question).decode(),
    }
    if obligations != _FREE:
        details["obligations"] = msgspec.json.encode(_named(obligations)).decode()
    return event_of(
        context,
        "authorization",
        question.action,
        outcome,
        resource=question.resource.name,
        reason="; ".join(dict.fromkeys(reasons)) or (http(error).code if error is not None else ""),
        details=details,
    )


def unasked_event(context: RequestContext, error: PolicyDenied) -> AuditEvent:
    """The event of a request that policies could not be asked about."""
    resource = context.model or context.route
    return event_of(context, "authorization", context.scope, "denied", resource=resource, reason=error.message)


def _word(verdict: Decision | JackfieldError) -> str:
    if isinstance(verdict, JackfieldError):
        return "failed"
    return "allow" if verdict.allow else "deny"


def _named(obligations: Obligations) -> dict[str, object]:
    """Those that there are."""
    return {
        name: value
        for name in obligations.__struct_fields__
        if (value := getattr(obligations, name)) != getattr(_FREE, name)
    }
