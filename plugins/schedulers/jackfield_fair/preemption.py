"""Who may take whose slot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from jackfield.ports.scheduler import SequenceView

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jackfield_fair.config import FairConfig
    from jackfield_fair.ledger import Ledger
    from jackfield_fair.shares import Shares

RECOMPUTED_MAX: Final = 8
"""Tokens of a preempted answer that may have to be computed anew for each one it has drawn in its slot."""


class Claim(NamedTuple):
    """A waiting request that wants a slot."""

    sequence: SequenceView
    level: int
    """Its priority after ageing."""


class Preemption:
    """The rules by which a waiting request takes the slot of a running one.

    Parameters:
        config: How urgent, and how long a slice is.
        ledger: Of the running ones.
        shares: Of the tenants.

    A running sequence keeps the level at which it got its slot for a slice: what ageing brought in gets something done.
    """

    def __init__(self, config: FairConfig, ledger: Ledger, shares: Shares) -> None:
        self._config = config
        self._ledger = ledger
        self._shares = shares

    def level(self, sequence: SequenceView) -> int:
        """How urgent a running *sequence* is."""
        account = self._ledger.get(sequence.id)
        if account is None or account.drawn >= self._config.slice_tokens:
            return sequence.priority
        return min(account.level, sequence.priority)

    def possible(self, running: Iterable[SequenceView], most_urgent: int) -> bool:
        """Whether any of *running* might lose its slot to a waiting request; the lowest priority of those is given."""
        for sequence in running:
            account = self._ledger.get(sequence.id)
            had_slice = account is not None and account.drawn >= self._config.slice_tokens
            if had_slice or most_urgent <= self.level(sequence) - self._config.urgent_steps:
                return True
        return False

    def allows(self, claim: Claim, victim: SequenceView) -> bool:
        """Whether *claim* may have the slot of *victim*."""
        level = self.level(victim)
        if claim.sequence.priority <= level - self._config.urgent_steps:
            return True
        return claim.level <= level and self._is_due(claim.sequence.tenant, victim)

    def _is_due(self, tenant: str, victim: SequenceView) -> bool:
        """Whether *victim* has had its slice, and its tenant so much more than *tenant* that a slice makes it even."""
        account = self._ledger.get(victim.id)
        if account is None or account.tenant == tenant:
            return False
        slice_tokens = max(self._config.slice_tokens, victim.computed // RECOMPUTED_MAX)
        ahead = self._shares.of(account.tenant) - self._shares.of(tenant)
        return account.drawn >= slice_tokens and ahead > slice_tokens / self._shares.weight(account.tenant)
