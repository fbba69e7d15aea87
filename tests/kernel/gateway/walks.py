"""Stages around a worker, for tests of what is between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.gateway.asked_models import AskedModels
from jackfield.gateway.auditing import Auditing
from jackfield.gateway.guarding import Guarding
from jackfield.gateway.limiting import Limiting
from jackfield.gateway.observing import Observers
from jackfield.gateway.policing import Policing
from jackfield.gateway.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.ports.audit import AuditSinkFactory
    from jackfield.ports.guardrail import GuardrailFactory
    from jackfield.ports.limiter import LimiterFactory
    from jackfield.ports.observer import ObserverFactory
    from jackfield.ports.policy import PolicyEngineFactory

DEFAULT_MAX_TOKENS = 512


def walk(
    policies: Mapping[str, PolicyEngineFactory] | None = None,
    limiters: Mapping[str, LimiterFactory] | None = None,
    guardrails: Mapping[str, GuardrailFactory] | None = None,
    sinks: Mapping[str, AuditSinkFactory] | None = None,
    observers: Mapping[str, ObserverFactory] | None = None,
) -> Walk:
    """All stages, with these plugins; without any they do nothing."""
    auditing = Auditing(sinks or {})
    return Walk(
        Policing(policies or {}, auditing),
        Limiting(limiters or {}, auditing, Observers(observers or {})),
        Guarding(guardrails or {}, AskedModels(), auditing, Observers(observers or {})),
        auditing,
        DEFAULT_MAX_TOKENS,
    )
