"""Options of ``[config.llamacpp]``."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

KEEPALIVE_MIN_S: Final = 0.05
"""More comments than this would be traffic of their own."""

KEEPALIVE_MAX_S: Final = 3600.0
"""Beyond an hour every proxy has long closed the connection."""


class LlamaCppConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How requests in llama-server's dialect are read and answered."""

    model: str = ""
    """The model of requests that name none, or an alias; empty takes the first one that can do what is asked."""
    unknown_fields: Literal["strict", "warn", "ignore"] = "strict"
    """What becomes of a field that nobody knows or that cannot be honoured. ``strict`` refuses the request (400).
    ``warn`` leaves out unknown fields and such that only tune, and lists them in the header ``x-jackfield-ignored``;
    ``ignore`` does not even list them. Fields that change what the answer is are refused all the same."""
    keepalive_s: float = 30.0
    """Seconds of silence after which a stream gets a comment, as ``--sse-ping-interval``; ``sse_ping_interval`` of a
    request overrides it."""

    def __post_init__(self) -> None:
        if not KEEPALIVE_MIN_S <= self.keepalive_s <= KEEPALIVE_MAX_S:
            raise ValueError(f"keepalive_s must be between {KEEPALIVE_MIN_S:g} and {KEEPALIVE_MAX_S:g}")
