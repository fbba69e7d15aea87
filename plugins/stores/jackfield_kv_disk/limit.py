"""How much disk ``limit = "auto"`` is."""

from __future__ import annotations

from typing import Final

from jackfield_kv_disk.config import LIMIT_MIN

SHARE: Final = 10
"""One part of so many of the free disk: others want to write, too."""

AUTO_MAX: Final = 16 << 30


def auto_limit(free: int) -> int:
    """Bytes for one model's store where *free* bytes can be written."""
    return max(LIMIT_MIN, min(AUTO_MAX, free // SHARE))
