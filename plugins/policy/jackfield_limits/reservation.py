"""What one request has reserved, and what its amounts are in each counter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jackfield.ports.limiter import Spent, Standing
from jackfield_limits.prices import BILLIONTHS, Use
from jackfield_limits.waits import remaining, whole_again_s

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.ports.limiter import Claim
    from jackfield_limits.ledger import Count, Hold, Ledger
    from jackfield_limits.prices import Prices
    from jackfield_limits.rules import Charge


class LedgerReservation:
    """Implements ``jackfield.ports.limiter.Reservation``.

    Parameters:
        ledger: Where it stands.
        prices: What tokens cost.
        claim: What was asked for.
        use: What was expected.
        hold: What was taken.
        left: What was left then.

    Raises:
        LedgerAway: From its methods; the ledger brings the last change when it can.
    """

    __slots__ = ("_claim", "_hold", "_ledger", "_open", "_prices", "_use", "standings")

    def __init__(
        self, ledger: Ledger, prices: Prices, claim: Claim, use: Use, hold: Hold, left: Sequence[Standing]
    ) -> None:
        self._ledger = ledger
        self._prices = prices
        self._claim = claim
        self._use = use
        self._hold = hold
        self._open = True
        self.standings = left

    async def begin(self, prompt_tokens: int) -> None:
        if not self._open:
            return
        self._use = self._use._replace(prompt=prompt_tokens)
        await self._ledger.change(self._hold, self._amounts(self._use), last=False)

    async def leave_queue(self) -> None:
        measures = [entry.charge.measure for entry in self._hold.entries]
        if not self._open or "queue" not in measures:
            return
        amounts = [
            0 if measure == "queue" else amount
            for measure, amount in zip(measures, self._amounts(self._use), strict=True)
        ]
        await self._ledger.change(self._hold, amounts, last=False)

    async def settle(self, spent: Spent) -> None:
        if not self._open:
            return
        self._open = False
        use = Use(prompt=spent.prompt_tokens, cached=spent.cached_tokens, completion=spent.completion_tokens)
        used = [
            amount if entry.charge.window else 0
            for entry, amount in zip(self._hold.entries, self._amounts(use), strict=True)
        ]
        await self._ledger.change(self._hold, used, last=True)

    async def release(self) -> None:
        if not self._open:
            return
        self._open = False
        await self._ledger.change(self._hold, [0] * len(self._hold.entries), last=True)

    def _amounts(self, use: Use) -> Sequence[int]:
        charges = [entry.charge for entry in self._hold.entries]
        return amounts(charges, self._claim, use, self._prices)


class _Free:
    """The reservation of a request that no limit is for."""

    standings: Sequence[Standing] = ()

    async def begin(self, prompt_tokens: int) -> None:
        """Nothing was reserved."""

    async def leave_queue(self) -> None:
        """Nothing was reserved."""

    async def settle(self, spent: Spent) -> None:
        """Nothing was reserved."""

    async def release(self) -> None:
        """Nothing was reserved."""


FREE: Final = _Free()


def amounts(charges: Sequence[Charge], claim: Claim, use: Use, prices: Prices) -> Sequence[int]:
    """What *use* is in the unit of each counter."""
    return [_amount(charge, claim, use, prices) for charge in charges]


def standings(charges: Sequence[Charge], counts: Sequence[Count], now: float) -> tuple[Standing, ...]:
    """What is left of each limit."""
    return tuple(_standing(charge, count, now) for charge, count in zip(charges, counts, strict=True))


def _amount(charge: Charge, claim: Claim, use: Use, prices: Prices) -> int:
    match charge.measure:
        case "tokens":
            return use.prompt + use.completion
        case "prompt_tokens":
            return use.prompt
        case "completion_tokens":
            return use.completion
        case "money":
            return prices.cost(claim.model, use)
        case "queue":
            return min(claim.answers, charge.limit)  # more answers than that may wait while nobody else's do
        case _:
            return 1


def _standing(charge: Charge, count: Count, now: float) -> Standing:
    unit = BILLIONTHS if charge.measure == "money" else 1
    return Standing(
        measure=charge.measure,
        limit=charge.limit / unit if unit != 1 else charge.limit,
        remaining=remaining(charge, count, now) / unit if unit != 1 else remaining(charge, count, now),
        reset_s=whole_again_s(count, now, sliding=charge.sliding),
        scope=charge.scope,
        window=charge.window,
        rule=charge.rule,
    )
