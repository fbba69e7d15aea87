"""What the library ``limits`` is asked about: so much in a window."""

from __future__ import annotations

from limits import RateLimitItemPerSecond


class Item(RateLimitItemPerSecond):
    """A limit of a window, which is some seconds long.

    The library makes the amount a part of the counter's key: whoever changed a limit would set its counters to zero.
    """

    __slots__ = ()

    def key_for(self, *identifiers: bytes | str | float) -> str:
        """The counter's key: the only one of *identifiers*."""
        (key,) = identifiers
        return str(key)
