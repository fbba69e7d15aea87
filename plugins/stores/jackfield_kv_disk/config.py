"""Options of ``kv-disk``."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

LIMIT_MIN: Final = 1 << 20
"""Less holds hardly a prefix of the smallest models."""


class KvDiskConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[config.kv-disk]``."""

    path: str = ""
    """The folder; relative paths start at the folder of ``plugins.toml``. Empty: ``$XDG_CACHE_HOME/jackfield/kv``, or
    ``~/.cache/jackfield/kv``. Nobody but the server's user may enter it: prompts can be read off what is in it."""
    limit: int | Literal["auto"] = "auto"
    """Most bytes for each model; at least 1,048,576. auto: a tenth of what is free on that disk, at most 16 GiB."""

    def __post_init__(self) -> None:
        if self.limit != "auto" and self.limit < LIMIT_MIN:
            raise ValueError(f"limit must be at least {LIMIT_MIN} bytes")
