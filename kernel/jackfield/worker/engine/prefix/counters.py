"""What the prefix cache has done since the worker started."""

from __future__ import annotations

from typing import Literal, TypeAlias

Reason: TypeAlias = Literal["preempted", "evicted", "no_checkpoint", "state_lost", "no_room"]
"""Why tokens were computed that had been computed before."""


class CacheCounters:
    """Counted by the engine loop's thread; the fields are those of ``CacheStats``."""

    __slots__ = (
        "cached_tokens",
        "evicted_tokens",
        "hits",
        "kept",
        "lookups",
        "moved",
        "recomputed",
        "restore_s",
        "restored_bytes",
        "saved_bytes",
    )

    def __init__(self) -> None:
        self.lookups = 0
        self.hits = 0
        self.cached_tokens = 0
        self.saved_bytes = 0
        self.restored_bytes = 0
        self.restore_s = 0.0
        self.evicted_tokens = 0
        self.kept = 0
        self.moved = 0
        self.recomputed: dict[str, int] = {}

    def recompute(self, reason: Reason, tokens: int) -> None:
        """*tokens* are computed again."""
        if tokens > 0:
            self.recomputed[reason] = self.recomputed.get(reason, 0) + tokens
