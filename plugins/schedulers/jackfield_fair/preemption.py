"""Who may take whose slot."""

from __future__ import annotations

import math
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from jackfield.ports.scheduler import SequenceView

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jackfield.scheduling import StepDraft
    from jackfield_fair.config import FairConfig
    from jackfield_fair.history import History
    from jackfield_fair.ledger import Account

RECOMPUTED_MAX: Final = 8
"""Tokens of a preempted answer that may have to be computed anew for each one it has drawn in its slot."""


_standing = attrgetter("level", "number")


class Claim(NamedTuple):
    """A waiting request that wants a slot."""

    sequence: SequenceView
    level: int
    """Its priority after ageing."""


class Holders:
    """Those that run when a step begins, and the rules by which waiting requests take their slots.

    Parameters:
        config: How urgent, and how long a slice is.
        history: What they and their tenants were served.
        running: In any order.
        current: Whose prompt got the first tokens of the last step: it goes on unless another is a slice behind.
    """

    def __init__(self, config: FairConfig, history: History, running: Iterable[SequenceView], current: int) -> None:
        self._slice_tokens = config.slice_tokens
        self._urgent_steps = config.urgent_steps
        self._shares = history.shares
        self._current = current
        self._all = sorted((history.ledger.of(sequence.id) for sequence in running), key=_standing)
        self._weakest: dict[int, Account] | None = None
        self._possible = False

    @property
    def by_standing(self) -> Sequence[Account]:
        """The most urgent and oldest first."""
        return self._all

    def served(self, holder: Account) -> float:
        """What its tenant was served, for its rank among others."""
        served = self._shares.of(holder.tenant)
        return served - self._slice(holder.tenant) if holder.number == self._current else served

    def possible(self, most_urgent: int, least: float) -> bool:
        """Whether any of them might lose its slot in this step.

        Parameters:
            most_urgent: The lowest priority of those that wait.
            least: What the tenant was served that got least of those that wait.
        """
        if not self._all:
            return False
        self._possible = most_urgent <= self._all[-1].level - self._urgent_steps or any(
            holder.drawn >= self._slice_tokens and least < self._due_below(holder) for holder in self._all
        )
        return self._possible

    def victims(self, claim: Claim, draft: StepDraft) -> list[Account] | None:
        """Who must go so that *claim* fits: the least urgent, most served, youngest; None where that cannot be."""
        victims: list[Account] = []
        if draft.fits(claim.sequence):
            return victims
        if not self._possible:
            return None
        served = self._shares.of(claim.sequence.tenant)
        for holder in self._by_weakness().values():
            if self._allows(claim, served, holder):
                victims.append(holder)
                if draft.fits(claim.sequence, [victim.sequence for victim in victims]):
                    return victims
        return None

    def give_way(self, victims: Iterable[Account]) -> None:
        """*victims* have lost their slots."""
        weakest = self._by_weakness()
        for victim in victims:
            del weakest[victim.number]

    def _due_below(self, holder: Account) -> float:
        """What another tenant was served less than if it may have the slot of *holder*; -inf until that is due."""
        if holder.drawn < max(self._slice_tokens, holder.computed // RECOMPUTED_MAX):
            return -math.inf
        return self._shares.of(holder.tenant) - self._slice(holder.tenant, holder.computed)

    def _slice(self, tenant: str, computed: int = 0) -> float:
        """A slice, as the counter of *tenant* counts it."""
        return max(self._slice_tokens, computed // RECOMPUTED_MAX) / self._shares.weight(tenant)

    def _by_weakness(self) -> dict[int, Account]:
        """Those that have not lost their slots; whoever is to give way first comes first."""
        if self._weakest is None:
            order = sorted(self._all, key=lambda each: (each.level, self.served(each), each.number), reverse=True)
            self._weakest = {holder.number: holder for holder in order}
        return self._weakest

    def _allows(self, claim: Claim, served: float, holder: Account) -> bool:
        """Whether *claim*, whose tenant was *served* so much, may have the slot of *holder*.

        It is much more urgent; or the holder has had its slice, and its tenant so much more that a slice makes it even.
        """
        if claim.sequence.priority <= holder.level - self._urgent_steps:
            return True
        if claim.level > holder.level or claim.sequence.tenant == holder.tenant:
            return False
        return served < self._due_below(holder)
