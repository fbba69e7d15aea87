"""What tokens cost. Money is counted in billionths of the currency, in whole numbers: no sum loses a part."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from jackfield.name_patterns import NamePatterns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield_limits.config import Price

BILLIONTHS: Final = 10**9
_A_TOKEN: Final = BILLIONTHS / 10**6
"""What a token costs in billionths where a million costs 1."""


class Use(NamedTuple):
    """Tokens of one request."""

    prompt: int = 0
    cached: int = 0
    """Of these."""
    completion: int = 0


class Prices:
    """What models cost.

    Parameters:
        table: By a pattern of the models' names; the first that fits counts.
    """

    def __init__(self, table: Mapping[str, Price]) -> None:
        self._rows = [(NamePatterns([pattern]), price) for pattern, price in table.items()]
        self._known: dict[str, Price | None] = {}
        """By model; models are those of the manifest."""

    def cost(self, model: str, use: Use) -> int:
        """What *use* costs, in billionths of the currency, rounded up."""
        if model not in self._known:
            self._known[model] = next((price for pattern, price in self._rows if pattern.fit(model)), None)
        price = self._known[model]
        if price is None:
            return 0
        cached = price.input if price.cached is None else price.cached
        found = min(use.cached, use.prompt)
        cost = (use.prompt - found) * price.input + found * cached + use.completion * price.output
        return math.ceil(round(cost * _A_TOKEN, 3))  # 3 digits: a price of 0.1 must not cost a billionth more
