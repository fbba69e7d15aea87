"""What is left of limits, as headers of answers tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.ports.limiter import Measure, Standing


def tightest(standings: Sequence[Standing], measure: Measure) -> Standing | None:
    """Of the limits of *measure* the one that will be reached first; None where there is none. Any thread.

    Parameters:
        standings: What is left of all limits that apply.
        measure: What they are of.
    """
    limits = [standing for standing in standings if standing.measure == measure]
    return min(limits, key=lambda standing: (standing.remaining, -standing.reset_s)) if limits else None
