"""How much memory ``limit = "auto"`` is."""

from __future__ import annotations

from typing import Final

from jackfield.machine import Machine
from jackfield_kv_memory.config import LIMIT_MIN

SHARE: Final = 8
"""One part of so many of the free memory: several models, and all else that runs there, want some too."""

AUTO_MAX: Final = 4 << 30

UNKNOWN: Final = 256 << 20
"""Where the system does not say what is free."""


def auto_limit(machine: Machine | None = None) -> int:
    """Bytes for one model's store, by what is free on *machine* (default: this one) now."""
    free = (machine or Machine()).available_memory()
    return UNKNOWN if free is None else max(LIMIT_MIN, min(AUTO_MAX, free // SHARE))
