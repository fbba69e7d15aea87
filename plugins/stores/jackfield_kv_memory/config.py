"""Options of ``kv-memory``."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

LIMIT_MIN: Final = 1 << 20
"""Less holds hardly a prefix of the smallest models."""


class KvMemoryConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[config.kv-memory]``."""

    limit: int | Literal["auto"] = "auto"
    """Most bytes for each model; at least 1,048,576. auto: an eighth of the memory that is free once the model is
    loaded, at most 4 GiB."""

    def __post_init__(self) -> None:
        if self.limit != "auto" and self.limit < LIMIT_MIN:
            raise ValueError(f"limit must be at least {LIMIT_MIN} bytes")
