"""Audit events that the gateway itself makes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.errors import (
    ContentBlocked,
    GuardrailFailed,
    JackfieldError,
    LimitExceeded,
    PolicyDenied,
    Unauthenticated,
    http,
)
from jackfield.gateway.said import prompts
from jackfield.gateway.work import action_of
from jackfield.ports.audit import AuditEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.context import RequestContext
    from jackfield.gateway.said import Answers
    from jackfield.gateway.work import WorkT
    from jackfield.ports.audit import AuditKind, Detail, Outcome
    from jackfield.ports.limiter import Spent


_CUT: Final = "content_filter"
"""Why an answer ended of which a guardrail has blocked the rest."""


def event_of(
    context: RequestContext,
    kind: AuditKind,
    action: str,
    outcome: Outcome,
    *,
    resource: str = "",
    reason: str = "",
    details: Mapping[str, Detail] | None = None,
) -> AuditEvent:
    """An event about the request of *context*, by whoever sent it."""
    principal = context.principal
    return AuditEvent(
        kind=kind,
        action=action,
        outcome=outcome,
        time=time.time(),
        request_id=context.request_id,
        decision_id=context.decision_id,
        principal=principal.tenant if principal is not None else "",
        name=principal.name if principal is not None else "",
        team=principal.team if principal is not None else "",
        fingerprint=context.fingerprint,
        client=context.client,
        resource=resource,
        reason=reason,
        details=details or {},
    )


def summary(
    context: RequestContext, work: WorkT, answers: Answers | None, spent: Spent, error: BaseException | None
) -> AuditEvent:
    """What became of *work*.

    Parameters:
        context: Of the request.
        work: As guardrails left it.
        answers: What was answered; None where no text may be recorded.
        spent: What it has used.
        error: What ended it; None where it ended well.
    """
    finished = context.finished
    reason = http(error).code if isinstance(error, JackfieldError) else (finished.reason if finished else "")
    details: dict[str, Detail] = {
        "route": context.route,
        "prompt_tokens": spent.prompt_tokens,
        "cached_tokens": spent.cached_tokens,
        "completion_tokens": spent.completion_tokens,
        "duration_ms": round((time.monotonic() - context.arrived) * 1000, 1),
    }
    event = event_of(
        context,
        "request",
        action_of(work),
        "blocked" if reason == _CUT else outcome_of(error),
        resource=context.model,
        reason=reason,
        details=details,
    )
    # what a guardrail has blocked, or could not judge, is as nobody was to see it
    if context.redact or answers is None or isinstance(error, ContentBlocked | GuardrailFailed):
        return event
    return msgspec.structs.replace(event, texts=prompts(work) + answers.texts(context))


def outcome_of(error: BaseException | None) -> Outcome:
    """How something ended that *error* has ended."""
    if error is None:
        return "ok"
    if isinstance(error, PolicyDenied | Unauthenticated):
        return "denied"
    if isinstance(error, ContentBlocked):
        return "blocked"
    if isinstance(error, LimitExceeded):
        return "refused"
    return "failed" if isinstance(error, Exception) else "left"
