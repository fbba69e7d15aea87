"""Windows of time that limits are counted in: seconds, minutes, hours, days and months of the calendar, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Window: TypeAlias = Literal["second", "minute", "hour", "day", "month"]

SECONDS: Final[Mapping[str, int]] = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "month": 30 * 86_400}
"""How long they are; months are as long as the calendar says, and this is what one counts for."""

_MONTHS: Final = 12


class Span(NamedTuple):
    """One window."""

    number: int
    """Grows by one from window to window."""
    start: float
    """Unix seconds."""
    end: float

    def left(self, now: float) -> float:
        """What part of it is left at *now*: 1 at its start, 0 at its end."""
        return min(1.0, max(0.0, (self.end - now) / (self.end - self.start)))


class Spans:
    """The windows at a moment; those asked for last are kept."""

    def __init__(self) -> None:
        self._known: dict[str, Span] = {}

    def at(self, window: str, now: float) -> Span:
        """The *window* (a key of ``SECONDS``) in which *now* (Unix seconds) is."""
        known = self._known.get(window)
        if known is None or not known.start <= now < known.end:
            known = self._known[window] = _span(window, now)
        return known


def _span(window: str, now: float) -> Span:
    if window == "month":
        return _month(now)
    seconds = SECONDS[window]
    index = int(now // seconds)
    return Span(index, float(index * seconds), float((index + 1) * seconds))


def _month(now: float) -> Span:
    day = datetime.fromtimestamp(now, UTC)
    index = day.year * _MONTHS + day.month - 1
    return Span(index, _first(index), _first(index + 1))


def _first(index: int) -> float:
    year, month = divmod(index, _MONTHS)
    return datetime(year, month + 1, 1, tzinfo=UTC).timestamp()
