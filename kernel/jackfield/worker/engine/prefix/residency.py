"""How long an idle prefix stays on the device: ski rental.

Idle cells cost every row of every step. While they stay that is rent; taking them off and restoring them when they are
wanted is the price of buying. Leaving when the rent has come to the price never costs more than twice what one pays who
knows when they are wanted next. (Karlin, Manasse, Rudolph, Sleator: Competitive snoopy caching, 1988.)
"""

from __future__ import annotations

from typing import Final

PRICE_MIN_S: Final = 0.01
"""Least price of a prefix, in seconds. Nobody notices so much before an answer begins; and where computing takes less,
what was measured of it is mostly noise."""


class Meter:
    """What one idle cell has cost since the worker started, in seconds. Stands still while nothing is computed.

    Engine loop thread.
    """

    __slots__ = ("reading",)

    def __init__(self) -> None:
        self.reading = 0.0

    def step(self, idle_s: float) -> None:
        """A call read all cells, each of which added *idle_s* seconds to it."""
        self.reading += idle_s


class Rent:
    """What one idle prefix has cost since it was used last.

    Parameters:
        meter: The worker's.
    """

    __slots__ = ("_meter", "_since")

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._since = meter.reading

    def used(self) -> None:
        """It was worth it: begin anew."""
        self._since = self._meter.reading

    def due(self, cells: int, price_s: float) -> bool:
        """Whether *cells* have by now cost what getting them back would: *price_s* seconds."""
        return cells * (self._meter.reading - self._since) >= price_s
