"""Request ids: the client's own where it is safe to repeat, else a fresh one."""

from __future__ import annotations

import os
import re
from typing import Final

_SAFE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What may go into a header, a log line and an error message unchanged: no quoting, no control characters, bounded."""

_RANDOM_BYTES: Final = 12
"""96 bits: two ids of one server's life do not meet."""


def request_id(offered: str | None) -> str:
    """The id of a request.

    Parameters:
        offered: The ``x-request-id`` header as the client sent it, or None.

    Returns:
        *offered* if it has at most 64 letters, digits, dots, dashes and underscores; else a fresh ``req_…``.
    """
    if offered is not None and _SAFE.fullmatch(offered):
        return offered
    return f"req_{os.urandom(_RANDOM_BYTES).hex()}"
