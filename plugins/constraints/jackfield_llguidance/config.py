"""Options of the ``llguidance`` plugin."""

from __future__ import annotations

from typing import Literal

import msgspec


class LlguidanceConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[config.llguidance]``."""

    whitespace: Literal["spaced", "compact", "flexible"] = "spaced"
    """Between the parts of JSON. ``spaced`` is one space behind each comma and colon, as most JSON that models have
    read on one line; ``compact`` is none. Both leave nothing to choose, so names of properties and what else must come
    is not computed at all. ``flexible`` lets the model indent, and computes every token."""

    cache_entries: int = 256
    """Most compiled grammars that are kept for the next request."""

    cache_bytes: int = 128 * 1024 * 1024
    """Most memory of those grammars, by estimate, in bytes."""

    def __post_init__(self) -> None:
        for name in ("cache_entries", "cache_bytes"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0")
