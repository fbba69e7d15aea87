"""What policies have kept out: limits, guardrails, and what of the audit record was lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter

from jackfield.ports.observer import AuditLost, GuardrailActed, LimitRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry

    from jackfield.ports.observer import ObservedEvent


class PolicyMetrics:
    """Counters of the stages around workers. Gateway's event loop.

    Parameters:
        registry: Where they are shown.
        bounded: Lets a bounded number of values of one label through: what plugins say has no bound.
    """

    def __init__(self, registry: CollectorRegistry, bounded: Callable[[str], str]) -> None:
        self._bounded = bounded
        self._limited = Counter(
            "jackfield_limited",
            "Requests that limiters have refused.",
            ("limiter", "measure", "scope", "model"),
            registry=registry,
        )
        self._guarded = Counter(
            "jackfield_guarded",
            "Findings for which guardrails have masked or blocked something.",
            ("guardrail", "stage", "category", "action", "model"),
            registry=registry,
        )
        self._lost = Counter("jackfield_audit_lost", "Events that audit sinks have lost.", ("sink",), registry=registry)

    def observe(self, event: ObservedEvent) -> None:
        """Count *event*, if it is one of these."""
        if isinstance(event, LimitRefused):
            self._limited.labels(*map(self._bounded, (event.limiter, event.measure, event.scope, event.model))).inc()
        elif isinstance(event, GuardrailActed):
            labels = (event.guardrail, event.stage, event.category, event.action, event.model)
            self._guarded.labels(*map(self._bounded, labels)).inc()
        elif isinstance(event, AuditLost):
            self._lost.labels(self._bounded(event.sink)).inc(event.count)
