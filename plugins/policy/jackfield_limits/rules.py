"""Rules: what a claim must find room in."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Final, NamedTuple

from jackfield.name_patterns import NamePatterns
from jackfield.ports.limiter import Measure
from jackfield_limits.item import Item
from jackfield_limits.prices import BILLIONTHS
from jackfield_limits.windows import SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from jackfield.ports.limiter import Claim
    from jackfield_limits.config import Rule

WINDOWED: Final[Sequence[Measure]] = ("requests", "tokens", "prompt_tokens", "completion_tokens", "money")

_DIGEST_BYTES: Final = 16
_NOBODY: Final = ""

_ASKED: Final = frozenset({"requests", "concurrency"})
"""What a question takes: one whose tokens are used up may still count them."""


class Charge(NamedTuple):
    """One counter that a claim needs room in."""

    key: str
    """Of the counter: a hash of the rule's name and of whose counter it is, then measure and window."""
    measure: Measure
    window: str
    """Empty for what is held and given back: places."""
    limit: int
    """In the unit of its measure; money in billionths."""
    item: Item | None
    """Of a window."""
    sliding: bool
    scope: str
    """Whose, for people and metrics: ``key and model``, ``all``."""
    rule: str


class CompiledRule:
    """A rule, ready to be asked. Immutable.

    Parameters:
        rule: As its operator wrote it.
    """

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.scope = " and ".join(rule.per) or "all"
        self._keys, self._teams = NamePatterns(rule.keys), NamePatterns(rule.teams)
        self._tenants, self._models = NamePatterns(rule.tenants), NamePatterns(rule.models)
        self._windows: Sequence[tuple[Measure, str, Item]] = [
            (measure, window, Item(_whole(measure, limit), SECONDS[window]))
            for measure in WINDOWED
            for window, limit in _windows(rule, measure).items()
        ]

    def applies(self, claim: Claim) -> bool:
        """Whether *claim* is one of those it is about."""
        rule, principal = self.rule, claim.principal
        if not _concern(self._models, claim.model) or (rule.actions and claim.action not in rule.actions):
            return False
        if principal is None:
            return not (rule.keys or rule.teams or rule.tenants or rule.tags)
        return (
            _concern(self._keys, principal.name)
            and _concern(self._teams, principal.team)
            and _concern(self._tenants, principal.tenant_name)
            and (not rule.tags or not principal.tags.isdisjoint(rule.tags))
        )

    def charges(self, claim: Claim) -> Iterable[Charge]:
        """The counters that *claim* needs room in."""
        counters = self.counters(claim)
        return counters if claim.answers else (each for each in counters if each.measure in _ASKED)

    def counters(self, claim: Claim) -> Iterable[Charge]:
        """All counters of whoever *claim* is from; a question does not know how long a queue is."""
        rule, whose = self.rule, self.whose(claim)
        for measure, window, item in self._windows:
            sliding = rule.windows == "sliding"
            key = f"{whose}:{measure}:{window}"
            yield Charge(key, measure, window, item.amount, item, sliding, self.scope, rule.name)
        if rule.concurrency is not None:
            key = f"{whose}:concurrency:"
            yield Charge(key, "concurrency", "", rule.concurrency, None, False, self.scope, rule.name)
        if rule.queue_share is not None and claim.answers:
            limit = max(1, math.floor(rule.queue_share * claim.queue))
            key = f"{whose}:queue:{_digest(claim.model)}"
            yield Charge(key, "queue", "", limit, None, False, self.scope, rule.name)

    def subjects(self, claim: Claim) -> Mapping[str, str]:
        """Whose counters they are, in words."""
        return {subject: _SUBJECTS[subject](claim) for subject in self.rule.per}

    def whose(self, claim: Claim) -> str:
        """The same as a hash, with the rule's name."""
        return _digest([self.rule.name, *((subject, _SUBJECTS[subject](claim)) for subject in self.rule.per)])


def compiled(rules: Iterable[Rule]) -> Sequence[CompiledRule]:
    """*rules*, ready to be asked."""
    return [CompiledRule(rule) for rule in rules]


def _concern(patterns: NamePatterns, name: str) -> bool:
    """Whether one of them fits; without any, everything does."""
    return not patterns or patterns.fit(name)


def _windows(rule: Rule, measure: Measure) -> Mapping[str, float]:
    windows: Mapping[str, float] = getattr(rule, measure)
    return windows


def _whole(measure: Measure, limit: float) -> int:
    return round(limit * BILLIONTHS) if measure == "money" else int(limit)


def _digest(whose: object) -> str:
    # repr: unambiguous, and takes any text, also one that cannot be encoded
    return hashlib.blake2b(repr(whose).encode(), digest_size=_DIGEST_BYTES).hexdigest()


def _key_of(claim: Claim) -> str:
    principal = claim.principal
    return _NOBODY if principal is None else f"{principal.authenticator}/{principal.id}"


_SUBJECTS: Final[Mapping[str, Callable[[Claim], str]]] = {
    "key": _key_of,
    "user": lambda claim: _NOBODY if claim.principal is None else claim.principal.user,
    "end_user": lambda claim: claim.user,
    "team": lambda claim: _NOBODY if claim.principal is None else claim.principal.team,
    "tenant": lambda claim: _NOBODY if claim.principal is None else claim.principal.tenant,
    "model": lambda claim: claim.model,
}
