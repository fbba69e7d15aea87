"""Saved states of prefixes: what of the tree is in stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from jackfield.ports.kv_store import StateKey
    from jackfield.worker.engine.prefix.tree import Node

CHECKPOINT: Final = "checkpoint"
"""``StateKey.kind`` of what ``Runner.rewind`` needs."""


class State:
    """A saved state, and where copies of it are.

    Parameters:
        key: What it is the state of.
        nbytes: How large it is; 0 where that is not known yet.
    """

    __slots__ = ("awaited", "data", "end", "is_checkpoint", "key", "nbytes", "node", "start", "tiers")

    node: Node
    """Where it ends."""

    def __init__(self, key: StateKey, nbytes: int = 0) -> None:
        self.key = key
        self.start = key.start
        self.end = key.end
        self.is_checkpoint = key.kind == CHECKPOINT
        self.nbytes = nbytes
        self.tiers: dict[int, int] = {}
        """Indices of the tiers that took it; for each how many bytes it had been given when this was used last."""
        self.data: memoryview | None = None
        """A copy in the engine's own memory: a checkpoint, or what a slow tier has just given back."""
        self.awaited = 0
        """Sequences that wait, for which a slow tier has given it back."""
