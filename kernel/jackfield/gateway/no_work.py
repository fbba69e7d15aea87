"""What callers ask that no worker works on: limited and recorded as work is."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from jackfield.errors import JackfieldError, http
from jackfield.gateway.summary import event_of, outcome_of
from jackfield.ports.limiter import Spent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from jackfield.context import RequestContext
    from jackfield.gateway.auditing import Auditing
    from jackfield.gateway.limiting import Limiting
    from jackfield.ports.audit import AuditEvent, Detail
    from jackfield.ports.limiter import Claim


@asynccontextmanager
async def accounted(
    context: RequestContext, claim: Claim, limiting: Limiting, auditing: Auditing, details: Mapping[str, Detail]
) -> AsyncIterator[None]:
    """Reserve *claim*, settle when the block ends, and record what became of it; no text is recorded.

    Parameters:
        context: Of the request.
        claim: What it takes, its tokens counted.
        limiting: Knows how much is left.
        auditing: Records.
        details: What is recorded besides its route and tokens.

    Raises:
        LimitExceeded: There is not so much left.
        LimiterFailed: Nobody can tell.
        AuditFailed: It cannot be recorded, and must be.
    """
    reserved = await limiting.reserve(context, claim) if limiting.enabled else None
    failure: BaseException | None = None
    try:
        yield
    except BaseException as error:
        failure = error
        raise
    finally:
        try:
            if reserved is not None:
                await reserved.settle(Spent(prompt_tokens=claim.prompt_tokens))
        finally:
            if auditing.enabled:
                await auditing.record(_event(context, claim, failure, details))


def _event(
    context: RequestContext, claim: Claim, failure: BaseException | None, details: Mapping[str, Detail]
) -> AuditEvent:
    return event_of(
        context,
        "request",
        claim.action,
        outcome_of(failure),
        resource=claim.model,
        reason=http(failure).code if isinstance(failure, JackfieldError) else "",
        details={"route": context.route, **details, "prompt_tokens": claim.prompt_tokens},
    )
