"""Texts that are judged and go to no model: limited and recorded as work is."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from jackfield.errors import JackfieldError, http
from jackfield.gateway.backlog import CHARACTERS, size_of
from jackfield.gateway.summary import event_of, outcome_of
from jackfield.ports.limiter import Claim, Spent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from jackfield.context import RequestContext
    from jackfield.gateway.auditing import Auditing
    from jackfield.gateway.limiting import Limiting
    from jackfield.ports.audit import Detail

ACTION: Final = "moderate"
"""What limits and records call it."""


@asynccontextmanager
async def counted(
    context: RequestContext, texts: Sequence[str], limiting: Limiting, auditing: Auditing
) -> AsyncIterator[None]:
    """Reserve for *texts*, settle when the block ends, and record what became of them; the texts are not recorded.

    Raises:
        LimitExceeded: There is not so much left.
        LimiterFailed: Nobody can tell.
        AuditFailed: It cannot be recorded, and must be.
    """
    tokens = sum(max(1, size_of(text) // CHARACTERS) for text in texts)
    claim = Claim(
        request_id=context.request_id,
        principal=context.principal,
        user=context.user,
        model="",
        action=ACTION,
        prompt_tokens=tokens,
    )
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
                await reserved.settle(Spent(prompt_tokens=tokens))
        finally:
            if auditing.enabled:
                reason = http(failure).code if isinstance(failure, JackfieldError) else ""
                details: dict[str, Detail] = {"route": context.route, "texts": len(texts), "prompt_tokens": tokens}
                outcome = outcome_of(failure)
                await auditing.record(event_of(context, "request", ACTION, outcome, reason=reason, details=details))
