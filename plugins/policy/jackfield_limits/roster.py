"""Who has asked for something lately: counters are hashes, and operators want names."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from jackfield_limits.rules import Charge

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jackfield.ports.limiter import Claim
    from jackfield_limits.rules import CompiledRule

KEPT: Final = 10_000
"""Callers, each with one rule."""

SHOWN: Final = 1000
"""Counters that are looked at for one question."""


class Seen(NamedTuple):
    """A counter, and whose it is."""

    charge: Charge
    whose: Mapping[str, str]


class Roster:
    """The last callers that rules were applied to. In memory; a restart begins a new one. Event loop thread."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[CompiledRule, Claim]] = {}
        """Last ones last, by the hash of whose counters they are."""

    def note(self, rule: CompiledRule, claim: Claim) -> None:
        """*rule* was applied to *claim*."""
        whose = rule.whose(claim)
        before = self._seen.pop(whose, None)
        if before is not None and not claim.answers:
            claim = before[1]  # which may have been work, and then knows the queue
        self._seen[whose] = rule, claim
        if len(self._seen) > KEPT:
            del self._seen[next(iter(self._seen))]

    def find(self, only: Mapping[str, str]) -> Sequence[Seen]:
        """The counters of those that *only* means; see ``LimitBook.entries``."""
        return list(islice(self._matching(only), SHOWN))

    def _matching(self, only: Mapping[str, str]) -> Iterator[Seen]:
        for rule, claim in reversed(list(self._seen.values())):
            whose = rule.subjects(claim)
            named = {**whose, "rule": rule.rule.name}
            if all(named.get(name) == value for name, value in only.items()):
                yield from (Seen(charge, whose) for charge in rule.counters(claim))
