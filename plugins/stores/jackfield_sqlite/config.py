"""Options of ``sqlite``."""

from __future__ import annotations

from typing import Final

import msgspec

BYTES_MIN: Final = 1 << 16
"""Less holds hardly a conversation."""

DAYS_MAX: Final = 36_500.0
"""A century: more is a mistake."""


class SqliteConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[config.sqlite]``."""

    file: str = ""
    """The database; relative paths start at the folder of ``plugins.toml``. Empty keeps everything in memory, until the
    server ends. Only the server's user may read it: conversations stand in it."""
    max_bytes: int = 256 << 20
    """Most bytes of all records together, at least 65,536; the file takes a little more."""
    max_tenant_bytes: int = 128 << 20
    """Most bytes of one tenant's records, at least 65,536: one that keeps much makes its own records give way, and
    nobody else's."""
    max_records: int = 10_000
    """Most records of one kind that one tenant may have."""
    give_way: tuple[str, ...] = ("response",)
    """Kinds whose oldest records make room for new ones. Records of other kinds (files, batches) stay until they
    expire or are deleted; what would be too much is refused."""
    keep_days: float = 30.0
    """Days after which a record goes, whatever it is; 0 keeps it as long as there is room."""

    def __post_init__(self) -> None:
        for name in ("max_bytes", "max_tenant_bytes"):
            if getattr(self, name) < BYTES_MIN:
                raise ValueError(f"{name} must be at least {BYTES_MIN}")
        if self.max_records < 1:
            raise ValueError("max_records must be at least 1")
        if not 0 <= self.keep_days <= DAYS_MAX:
            raise ValueError(f"keep_days must be between 0 and {DAYS_MAX:g}")
