"""What callers are told who have used what they may use."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from jackfield.errors import BudgetExceeded, LimitExceeded
from jackfield_limits.ledger import Entry
from jackfield_limits.prices import BILLIONTHS
from jackfield_limits.waits import used, wait_s

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.ports.limiter import Measure, Standing
    from jackfield_limits.ledger import Count
    from jackfield_limits.rules import Charge

LONG: Final = frozenset({"day", "month"})
"""Windows whose tokens are a budget: nobody waits for the next one."""

_NOUNS: Final[Mapping[Measure, str]] = {
    "requests": "requests",
    "tokens": "tokens",
    "prompt_tokens": "prompt tokens",
    "completion_tokens": "completion tokens",
    "concurrency": "requests at a time",
    "queue": "waiting answers at a time",
}
_UNITS: Final = ((86_400, "days"), (3600, "hours"), (60, "minutes"))


class _Lack(NamedTuple):
    """A limit that has not so much left."""

    entry: Entry
    wait_s: float
    never: bool
    """The request takes more than the whole limit."""


def refusal(
    entries: Sequence[Entry], counts: Sequence[Count], left: Sequence[Standing], now: float, currency: str
) -> LimitExceeded:
    """Why *entries* were not granted: of the limits that lack something, the one to wait for longest.

    Parameters:
        entries: What was asked for.
        counts: What was taken by others, of each.
        left: What is left, of each.
        now: Unix seconds.
        currency: Of money.
    """
    lacks = [
        _Lack(entry, wait_s(entry.charge, entry.amount, count, now), entry.amount > entry.charge.limit)
        for entry, count in zip(entries, counts, strict=True)
        if not used(entry.charge, count, now) < entry.charge.limit - entry.amount + 1
    ]
    # between two looks at the clock a window may have begun: then any of them will do
    worst = max(lacks, key=lambda lack: (lack.never, lack.wait_s)) if lacks else _Lack(entries[0], 0.0, never=False)
    error = _error(worst, currency)
    error.measure, error.scope = worst.entry.charge.measure, worst.entry.charge.scope
    error.standings = tuple(left)
    return error


def _error(lack: _Lack, currency: str) -> LimitExceeded:
    charge, amount = lack.entry.charge, lack.entry.amount
    limit = _limit(charge, currency)
    if lack.never:
        asked = f"{amount / BILLIONTHS:.9g} {currency}" if charge.measure == "money" else f"{amount:,}"
        message = f"this request may use {asked}, more than its limit of {limit}: ask for less"
        return BudgetExceeded(message, retry_after=lack.wait_s)
    if charge.measure == "money" or (charge.measure != "requests" and charge.window in LONG):
        return BudgetExceeded(f"the budget of {limit} is used up; {_when(lack.wait_s)}", retry_after=lack.wait_s)
    return LimitExceeded(f"the limit of {limit} is reached; {_when(lack.wait_s)}", retry_after=lack.wait_s)


def _limit(charge: Charge, currency: str) -> str:
    whose = "" if charge.scope == "all" else f" for this {charge.scope}"
    if charge.measure == "money":
        return f"{charge.limit / BILLIONTHS:.9g} {currency} a {charge.window}{whose}"
    each = f" {'an' if charge.window == 'hour' else 'a'} {charge.window}" if charge.window else ""
    return f"{charge.limit:,} {_NOUNS[charge.measure]}{each}{whose}"


def _when(seconds: float) -> str:
    for unit, name in _UNITS:
        if seconds >= 2 * unit:
            return f"try again in {math.ceil(seconds / unit)} {name}"
    return f"try again in {max(1, math.ceil(seconds))} s"
