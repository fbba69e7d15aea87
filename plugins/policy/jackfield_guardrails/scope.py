"""Whom a rule concerns: by key, team, model and route."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.name_patterns import NamePatterns

if TYPE_CHECKING:
    from jackfield.ports.guardrail import Subject
    from jackfield_guardrails.rules import Rule


class Scope:
    """What a rule says of that. Any thread.

    Parameters:
        rule: As it is written. Where it names several things, all must fit.
    """

    def __init__(self, rule: Rule) -> None:
        self._stages = frozenset(rule.stages)
        self._keys, self._teams = NamePatterns(rule.keys), NamePatterns(rule.teams)
        self._models, self._routes = NamePatterns(rule.models), NamePatterns(rule.routes)

    def has(self, subject: Subject) -> bool:
        """Whether it concerns *subject*. Callers without a name have no key and no team."""
        if subject.stage not in self._stages:
            return False
        principal = subject.principal
        if self._keys and (principal is None or not (_fit(self._keys, principal.name, principal.id))):
            return False
        if self._teams and (principal is None or not principal.team or not _fit(self._teams, principal.team)):
            return False
        if self._models and not _fit(self._models, subject.model):
            return False
        return not self._routes or _fit(self._routes, subject.route)


def _fit(patterns: NamePatterns, *names: str) -> bool:
    return any(map(patterns.fit, names))
