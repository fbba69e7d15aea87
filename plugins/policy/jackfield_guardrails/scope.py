"""Whom a rule concerns: by key, team, model and route."""

from __future__ import annotations

import re
from fnmatch import translate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.ports.guardrail import Subject
    from jackfield_guardrails.rules import Rule


class Scope:
    """What a rule says of that. Any thread.

    Parameters:
        rule: As it is written. Where it names several things, all must fit.
    """

    def __init__(self, rule: Rule) -> None:
        self._stages = frozenset(rule.stages)
        self._keys, self._teams = _globs(rule.keys), _globs(rule.teams)
        self._models, self._routes = _globs(rule.models), _globs(rule.routes)

    def has(self, subject: Subject) -> bool:
        """Whether it concerns *subject*. Callers without a name have no key and no team."""
        if subject.stage not in self._stages:
            return False
        principal = subject.principal
        if self._keys and (principal is None or not (_fits(self._keys, principal.name, principal.id))):
            return False
        if self._teams and (principal is None or not principal.team or not _fits(self._teams, principal.team)):
            return False
        if self._models and not _fits(self._models, subject.model):
            return False
        return not self._routes or _fits(self._routes, subject.route)


def _globs(written: Sequence[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(map(translate, written))) if written else None


def _fits(globs: re.Pattern[str], *names: str) -> bool:
    return any(globs.match(name) for name in names)
