"""Who has come to a queue and who has left it, without a look at those that stayed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from jackfield.ports.scheduler import SequenceView

if TYPE_CHECKING:
    from collections.abc import Sequence


class Changes(NamedTuple):
    """Between two looks at a queue; in order of arrival."""

    left: list[SequenceView]
    entered: list[SequenceView]


def changes(before: Sequence[SequenceView], now: Sequence[SequenceView]) -> Changes:
    """What has changed in a queue since *before*; both are in order of their ids.

    Stretches of the same objects are compared as slices: ten thousand that wait take a tenth of a millisecond, where
    reading the id of each takes a whole one.
    """
    found = Changes([], [])
    old = new = 0
    while True:
        same = _alike(before, old, now, new)
        old, new = old + same, new + same
        if old == len(before) or new == len(now):
            break
        there, here = before[old].id, now[new].id
        if there < here:
            found.left.append(before[old])
        elif here < there:
            found.entered.append(now[new])
        old, new = old + (there <= here), new + (here <= there)
    found.left.extend(before[old:])
    found.entered.extend(now[new:])
    return found


def _alike(before: Sequence[SequenceView], old: int, now: Sequence[SequenceView], new: int) -> int:
    """How many are the same from *old* and *new* on."""
    most = min(len(before) - old, len(now) - new)
    same, stretch, growing = 0, 1, True
    while stretch and same < most:
        end = min(same + stretch, most)
        if before[old + same : old + end] == now[new + same : new + end]:
            same = end
        else:
            growing = False
        stretch = 2 * stretch if growing else stretch // 2
    return same
