"""How long a client is willing to wait."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from jackfield.errors import InvalidRequest

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

HEADER: Final = "x-request-timeout-ms"

LONGEST_MS: Final = 24 * 60 * 60 * 1000
"""A day: nobody waits longer, and what is larger was meant in another unit."""

_MILLISECONDS: Final = re.compile(r"[0-9]{1,8}(\.[0-9]{1,6})?")


def deadline(headers: CIMultiDictProxy[str], arrived: float, default_s: float) -> float | None:
    """Monotonic seconds at which the request with *headers* is of no use any more; None if it waits for ever.

    Parameters:
        headers: Of the request.
        arrived: Monotonic seconds at which it came.
        default_s: Seconds it may take where it does not say; 0 is for ever.

    Raises:
        InvalidRequest: The header is not one positive number of milliseconds, at most ``LONGEST_MS``.
    """
    given = headers.getall(HEADER, None)
    if given is None:
        return arrived + default_s if default_s else None
    milliseconds = float(given[0]) if len(given) == 1 and _MILLISECONDS.fullmatch(given[0]) else 0.0
    if not 0 < milliseconds <= LONGEST_MS:
        raise InvalidRequest(
            f"the header {HEADER} must be one positive number of milliseconds, at most {LONGEST_MS}", param=HEADER
        )
    return arrived + milliseconds / 1000
