"""What a schema asks for in all, where llguidance's time, memory or stack grow with it and it does not count itself."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import gcd, lcm
from typing import Final, TypeAlias

from jackfield_llguidance.limits import (
    DECIMALS_MAX,
    LEVELS_MAX,
    MULTIPLE_MAX,
    OPTIONAL_MAX,
    PATTERN_PROPERTIES_MAX,
    PROPERTIES_MAX,
    PROPERTIES_TOTAL_MAX,
)

Refused: TypeAlias = Callable[[str], Exception]
"""The error for a place, of what is wrong there."""

_UNIT: Final = 10**DECIMALS_MAX


class Growth:
    """Counts over all of one schema; each method raises what *refused* makes where it is too much."""

    def __init__(self) -> None:
        self._properties = 0
        self._patterns = 0
        self._levels = 0
        self._multiple = Fraction(1, _UNIT)

    def properties(self, count: int, refused: Refused) -> None:
        """One object names *count* properties."""
        self._properties += count
        if count > PROPERTIES_MAX or self._properties > PROPERTIES_TOTAL_MAX:
            raise refused(f"an object may have {PROPERTIES_MAX} properties, a schema {PROPERTIES_TOTAL_MAX}")

    def optional(self, count: int, refused: Refused) -> None:
        """One object names *count* properties that it does not require."""
        if count > OPTIONAL_MAX:
            raise refused(f"an object may have {OPTIONAL_MAX} properties that are not required")

    def pattern_properties(self, count: int, refused: Refused) -> None:
        """One object has *count* patterns for names."""
        self._patterns += count
        if self._patterns > PATTERN_PROPERTIES_MAX:
            raise refused(f"a schema may have {PATTERN_PROPERTIES_MAX} patterns for names")

    def levels(self, count: int, refused: Refused) -> None:
        """What is referred to has *count* schemas in one another: references lead from one such place to the next."""
        self._levels += count
        if self._levels > LEVELS_MAX:
            raise refused(f"schemas may be nested {LEVELS_MAX} deep with all that is referred to")

    def multiple(self, value: Fraction, refused: Refused) -> None:
        """States of remainders: of the least common multiple, as any two of them may hold together."""
        known = self._multiple
        self._multiple = Fraction(lcm(known.numerator, value.numerator), gcd(known.denominator, value.denominator))
        digits = int(self._multiple * _UNIT)
        while digits % 10 == 0:
            digits //= 10
        if digits > MULTIPLE_MAX:
            raise refused(f"the least common multiple of all of them may have {MULTIPLE_MAX} decimal units")
