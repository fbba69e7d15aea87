"""The policy stage: all engines are asked; one deny wins, and of what several oblige to the strictest holds."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.errors import JackfieldError, PluginError, PolicyDenied, PolicyUnavailable
from jackfield.gateway.decisions import Verdicts, decided_event, unasked_event
from jackfield.gateway.plugged import plug
from jackfield.ports.policy import DEADLINE_S, Decision, Obligations, strictest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jackfield.context import RequestContext
    from jackfield.gateway.auditing import Auditing
    from jackfield.gateway.plugged import Plugged
    from jackfield.ports.policy import PolicyEngine, PolicyEngineFactory, PolicyInput

_ID_BYTES: Final = 12
_FREE: Final = Obligations()

CLOSE_S: Final = 5.0
"""How long an engine may take to end."""


class Policing:
    """All enabled policy engines. Event loop thread.

    Parameters:
        factories: By name, as ``Kernel.policies`` gives them.
        auditing: Is told every decision.

    Raises:
        PluginError: A factory failed; the message names it.
    """

    def __init__(self, factories: Mapping[str, PolicyEngineFactory], auditing: Auditing) -> None:
        message = "whether this is allowed cannot be decided now; try again in a moment"
        self._engines = plug("policy engine", factories, PolicyUnavailable, message)
        self._auditing = auditing

    @property
    def enabled(self) -> bool:
        """Whether anybody decides anything: questions need not be made otherwise."""
        return bool(self._engines)

    @property
    def objects(self) -> Sequence[tuple[str, object]]:
        """What plugins have supplied, with their names."""
        return [(each.name, each.object) for each in self._engines]

    async def permit(
        self, context: RequestContext, ask: Callable[[], PolicyInput], before: Obligations | None = None
    ) -> Obligations:
        """Ask all engines; ``context.decision_id`` names what they have decided.

        Parameters:
            context: Of the request.
            ask: Makes the question; raises ``PolicyDenied`` where policies cannot be asked it.
            before: What an earlier decision about the request has obliged to.

        Returns:
            What all of them oblige to.

        Raises:
            PolicyDenied: One of them says no, or what they oblige to cannot all be met.
            PolicyUnavailable: One of them cannot tell, and none says no.
            AuditFailed: The decision cannot be recorded, and must be.
        """
        context.decision_id = f"dec_{os.urandom(_ID_BYTES).hex()}"
        try:
            question = ask()
        except PolicyDenied as unasked:
            unasked.decision_id = context.decision_id
            if self._auditing.enabled:
                await self._auditing.record(unasked_event(context, unasked))
            raise
        verdicts = await self._verdicts(question)
        error, obligations = _outcome(context, verdicts, before)
        if self._auditing.enabled:
            event = decided_event(context, question, verdicts, obligations, error)
            if error is None:
                self._auditing.note(event)  # the request's summary follows, and is waited for
            else:
                await self._auditing.record(event)
        if error is not None:
            raise error
        return obligations

    async def close(self) -> None:
        """Close all engines."""
        for engine in self._engines:
            with suppress(PolicyUnavailable):
                await engine.ask(engine.object, lambda each: each.close(), CLOSE_S)

    async def _verdicts(self, question: PolicyInput) -> Verdicts:
        if len(self._engines) == 1:  # what nearly everybody has, without tasks
            [engine] = self._engines
            return [(engine.name, await _verdict(engine, question))]
        verdicts = await asyncio.gather(*(_verdict(engine, question) for engine in self._engines))
        return [(engine.name, verdict) for engine, verdict in zip(self._engines, verdicts, strict=True)]


async def _verdict(engine: Plugged[PolicyEngine], question: PolicyInput) -> Decision | JackfieldError:
    """What *engine* decides, or what its failure becomes."""
    try:
        return await engine.ask(engine.object, lambda each: _decided(each, question), DEADLINE_S)
    except PolicyUnavailable as error:
        return error


async def _decided(engine: PolicyEngine, question: PolicyInput) -> Decision:
    decision = await engine.decide(question)
    if not isinstance(decision, Decision):
        raise PluginError(f"decide() returned {type(decision).__name__}, not a Decision")
    # a Struct does not check what it is made of
    return msgspec.convert(msgspec.to_builtins(decision), Decision)


def _outcome(
    context: RequestContext, verdicts: Verdicts, before: Obligations | None
) -> tuple[JackfieldError | None, Obligations]:
    """Why not, if so, and on what conditions."""
    decisions = [verdict for _, verdict in verdicts if isinstance(verdict, Decision)]
    reasons = [reason for decision in decisions if not decision.allow for reason in decision.reasons or ("",)]
    if reasons:
        return denied(context, *reasons), _FREE
    for _, verdict in verdicts:
        if isinstance(verdict, JackfieldError):
            return verdict, _FREE
    obligations = [decision.obligations for decision in decisions]
    try:
        return None, strictest(obligations if before is None else [before, *obligations])
    except ValueError as error:
        return denied(context, str(error)), _FREE


def denied(context: RequestContext, *reasons: str) -> PolicyDenied:
    """What the caller of *context* is told whom the decision of ``context.decision_id`` refuses, for these reasons."""
    why = "; ".join(dict.fromkeys(reason for reason in reasons if reason))
    error = PolicyDenied(f"a policy does not allow this{': ' if why else ''}{why} (decision {context.decision_id})")
    error.decision_id = context.decision_id
    return error
