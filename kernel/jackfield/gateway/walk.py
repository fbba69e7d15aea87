"""What work for a model passes before its worker has it, and when it has ended.

In this order: policies, limits, input guardrails; then the worker; then output guardrails, limits again, and the audit
record, before the last byte. Where no plugin of a stage is enabled, the stage does nothing.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, Generic

import msgspec

from jackfield.errors import ContentBlocked, JackfieldError, PolicyDenied
from jackfield.gateway.chronicle import Chronicle
from jackfield.gateway.counted_questions import question_claim
from jackfield.gateway.guarding import Guarded
from jackfield.gateway.limiting import Reserved
from jackfield.gateway.moderating import moderation_claim
from jackfield.gateway.no_work import accounted
from jackfield.gateway.policing import denied
from jackfield.gateway.policy_facts import flags_of, model_question, route_question, work_question
from jackfield.gateway.said import Answers
from jackfield.gateway.summary import summary
from jackfield.gateway.work import WorkT, claim, obliged
from jackfield.ports.limiter import Spent
from jackfield.ports.policy import Obligations

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from jackfield.context import RequestContext
    from jackfield.gateway.auditing import Auditing
    from jackfield.gateway.guarding import Guarding
    from jackfield.gateway.limiting import Limiting
    from jackfield.gateway.policing import Policing
    from jackfield.gateway.replica import Replica
    from jackfield.moderation import Moderation
    from jackfield.ports.policy import PolicyInput

_FREE: Final = Obligations()
_NOTHING: Final = Reserved(set())
_UNSPENT: Final = Spent()


class Passage(Generic[WorkT]):
    """One piece of work on its way. Event loop thread.

    Attributes:
        replica: The model that does it.
        guarded: The work as its worker is to get it, and what reads the answers.
        spent: What it has used so far; whoever hears of it says so.
        answers: Hear what is answered; None where nobody records it.
    """

    __slots__ = ("_auditing", "_begun", "_context", "_open", "_reserved", "answers", "guarded", "replica", "spent")

    def __init__(
        self,
        context: RequestContext,
        replica: Replica,
        guarded: Guarded[WorkT],
        reserved: Reserved,
        auditing: Auditing,
    ) -> None:
        self._context = context
        self._reserved = reserved
        self.replica = replica
        self._auditing = auditing
        self._begun = False
        self._open = True
        self.guarded: Guarded[WorkT] = guarded
        self.spent = Spent()
        self.answers = Answers() if auditing.enabled and not context.redact else None

    @property
    def waits(self) -> bool:
        """Whether ``end`` has anything to do."""
        return self._open and (bool(self._reserved) or self._auditing.enabled)

    @property
    def reserves(self) -> bool:
        """Whether something is reserved for it, so that ``begin`` and ``leave_queue`` must be told."""
        return bool(self._reserved)

    def begin(self, prompt_tokens: int) -> None:
        """A worker has accepted it, and has counted its prompt. Returns at once."""
        self._begun = True
        self._reserved.begin(prompt_tokens)

    def leave_queue(self) -> None:
        """Its first text has come. Returns at once."""
        self._reserved.leave_queue()

    async def end(self, error: BaseException | None = None) -> None:
        """It has ended, well or with *error*; what must be settled and recorded is when this returns.

        Raises:
            AuditFailed: It cannot be recorded, and must be.
        """
        if not self._open:
            return
        self._open = False
        try:
            if self._unused(error):
                await self._reserved.release()
            else:
                await self._reserved.settle(self.spent)
        except asyncio.CancelledError as left:  # what was reserved is settled all the same
            error = error or left
            raise
        finally:
            if self._auditing.enabled:
                await self._auditing.record(summary(self._context, self.guarded.work, self.answers, self.spent, error))

    def _unused(self, error: BaseException | None) -> bool:
        """Whether it was refused before anything was done for it; to judge what guardrails block is work."""
        refused = isinstance(error, JackfieldError) and not isinstance(error, ContentBlocked)
        return refused and not self._begun and self.spent == _UNSPENT


class Walk:
    """The stages around a worker. Event loop thread.

    Parameters:
        policing: Whether it may be.
        limiting: Whether there is so much left.
        guarding: Whether it may say that.
        auditing: Records what became of it.
        default_max_tokens: ``kernel.default_max_tokens``.

    Attributes:
        chronicle: Records what happens to the server itself.
    """

    def __init__(
        self, policing: Policing, limiting: Limiting, guarding: Guarding, auditing: Auditing, default_max_tokens: int
    ) -> None:
        self._policing = policing
        self.limiting: Final = limiting
        self.guarding: Final = guarding
        self._auditing = auditing
        self.chronicle: Final = Chronicle(auditing)
        self._default_max_tokens = default_max_tokens

    @asynccontextmanager
    async def of(
        self, context: RequestContext, candidates: Sequence[Replica], work: WorkT
    ) -> AsyncIterator[Passage[WorkT]]:
        """Have *work* pass all stages, and end its passage when the block does.

        Parameters:
            context: Of the request; ``model`` and ``revision`` are those of the model that does it.
            candidates: The models that the caller may mean, one at least; the first one that policies let have it.
            work: What is asked.

        Raises:
            PolicyDenied: It may not be.
            InvalidRequest: The model cannot do that.
            LimitExceeded: There is not so much left.
            ContentBlocked: It may not say that.
            BackendFault: Nobody can tell.
        """
        limit = self._default_max_tokens
        replica, obligations = await self._permitted(
            context, candidates, lambda replica: work_question(context, replica, work, limit)
        )
        context.model, context.revision = replica.name, replica.revision
        context.redact = context.redact or obligations.redact
        replica.check(work)
        work = obliged(work, obligations, limit)
        reserved = await self._reserved(context, replica, work)
        passage = Passage(context, replica, Guarded(work), reserved, self._auditing)
        try:
            if self.guarding.enabled or obligations.guardrails:
                await self._guard(context, passage, obligations)
            yield passage
        except BaseException as error:
            await passage.end(error)
            raise
        await passage.end()

    async def moderate(self, context: RequestContext, texts: Sequence[str]) -> Sequence[Moderation]:
        """What guardrails find in *texts*, which go to no model; raises as ``Guarding.moderate`` and ``accounted``."""
        claim = moderation_claim(context, texts)
        async with accounted(context, claim, self.limiting, self._auditing, {"texts": len(texts)}):
            return await self.guarding.moderate(context, texts)

    @asynccontextmanager
    async def reach(self, context: RequestContext, candidates: Sequence[Replica]) -> AsyncIterator[Replica]:
        """While a caller asks that one of *candidates* be there, and no work; raises as ``of``."""
        replica = await self.permit_question(context, candidates)
        async with accounted(context, question_claim(context, replica.name), self.limiting, self._auditing, {}):
            yield replica

    async def permit_route(self, context: RequestContext) -> None:
        """Whether the caller may use the route of *context*, which has no work for a model.

        Raises:
            PolicyDenied: No.
            PolicyUnavailable: Nobody can tell.
        """
        if self._policing.enabled:
            await self._policing.permit(context, lambda: route_question(context))

    async def permit_question(self, context: RequestContext, candidates: Sequence[Replica]) -> Replica:
        """The first of *candidates* that the caller may ask something that is no work; raises as ``permit_route``."""
        replica, _ = await self._permitted(context, candidates, lambda replica: model_question(context, replica))
        context.model, context.revision = replica.name, replica.revision
        return replica

    async def close(self) -> None:
        """Close what plugins have supplied for the stages."""
        for stage in (self._policing, self.limiting, self.guarding, self._auditing):
            await stage.close()

    async def _permitted(
        self, context: RequestContext, candidates: Sequence[Replica], ask: Callable[[Replica], PolicyInput]
    ) -> tuple[Replica, Obligations]:
        """The first of *candidates* that policies allow, and that has the tag they demand."""
        if not self._policing.enabled:
            return candidates[0], _FREE
        first: PolicyDenied | None = None
        for replica in candidates:
            context.model = replica.name
            try:
                obligations = await self._policing.permit(context, partial(ask, replica))
                _require_tag(context, replica, obligations)
            except PolicyDenied as error:
                first = first or error
            else:
                return replica, obligations
        raise first or AssertionError("there is one candidate at least")

    async def _guard(self, context: RequestContext, passage: Passage[WorkT], obligations: Obligations) -> None:
        """Have guardrails judge the prompts, and policies what was found in them."""
        replica, work = passage.replica, passage.guarded.work
        guarded = passage.guarded = await self.guarding.enter(context, replica, work, obligations)
        if not guarded.findings or not self._policing.enabled:
            return

        def ask() -> PolicyInput:
            asked = work_question(context, replica, guarded.work, self._default_max_tokens)
            request = msgspec.structs.replace(asked.request, flags=flags_of(guarded.findings))
            return msgspec.structs.replace(asked, request=request)

        stricter = await self._policing.permit(context, ask, obligations)
        _require_tag(context, replica, stricter)
        if not set(stricter.guardrails) <= set(obligations.guardrails):
            raise denied(context, "it demands guardrails only after the others have found something")
        context.redact = context.redact or stricter.redact
        guarded.work = obliged(guarded.work, stricter, self._default_max_tokens)

    async def _reserved(self, context: RequestContext, replica: Replica, work: WorkT) -> Reserved:
        if not self.limiting.enabled:
            return _NOTHING
        return await self.limiting.reserve(context, claim(context, replica, work, self._default_max_tokens))


def _require_tag(context: RequestContext, replica: Replica, obligations: Obligations) -> None:
    if obligations.route is not None and obligations.route not in replica.config.tags:
        raise denied(context, f"it wants a model with the tag {obligations.route!r}, and there is none of that name")
