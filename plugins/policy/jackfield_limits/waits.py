"""How much of a limit is used, and when there will be so much left again, if nobody takes more until then."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from jackfield_limits.windows import SECONDS

if TYPE_CHECKING:
    from jackfield_limits.ledger import Count
    from jackfield_limits.rules import Charge
    from jackfield_limits.windows import Span

PLACE_S: Final = 1.0
"""When to ask again for a place: nobody knows when one is given back."""


def used(charge: Charge, count: Count, now: float) -> float:
    """What counts against the limit at *now*; the same formula as in the library ``limits`` and in Redis."""
    if count.span is None or not count.previous:
        return float(count.current)
    length = SECONDS[charge.window]
    return count.previous * (count.span.left(now) * length) / length + count.current


def remaining(charge: Charge, count: Count, now: float) -> int:
    """What is left, never below zero."""
    return max(0, charge.limit - math.ceil(used(charge, count, now)))


def whole_again_s(count: Count, now: float, *, sliding: bool) -> float:
    """Seconds until all of it is there again."""
    if count.span is None:
        return PLACE_S if count.current else 0.0
    left_s = max(0.0, count.span.end - now)
    if sliding and count.current:
        return left_s + (count.span.end - count.span.start)
    return left_s if count.current or count.previous else 0.0


def wait_s(charge: Charge, amount: int, count: Count, now: float) -> float:
    """Seconds until *amount* fits; where it never does, until all is there again."""
    span = count.span
    if span is None:
        return PLACE_S
    left_s = max(0.0, span.end - now)
    if not charge.sliding:
        return left_s
    room = charge.limit - amount
    if room < 0:
        return whole_again_s(count, now, sliding=True)
    return _slid_s(count, span, room, now)


def _slid_s(count: Count, span: Span, room: int, now: float) -> float:
    """Seconds until no more than *room* counts. What was used counts less and less, in the window after its own."""
    if count.previous and count.current <= room:
        return max(0.0, _when(span.end, span, room - count.current, count.previous) - now)
    following_s = span.end + (span.end - span.start)  # months differ a little: a day too early is refused again
    return max(0.0, _when(following_s, span, room, count.current) - now)


def _when(end: float, span: Span, room: int, fading: int) -> float:
    """When only *room* of *fading* counts, which is none at *end*."""
    return end - (span.end - span.start) * min(1.0, room / fading)
