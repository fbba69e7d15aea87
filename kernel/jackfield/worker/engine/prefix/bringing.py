"""Bringing what was found into a sequence. A fault costs a computation, never a request."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from jackfield.errors import BackendFault, KVExhausted

if TYPE_CHECKING:
    from jackfield.ports.reuse import ReusableRunner
    from jackfield.worker.engine.prefix.archive import Archive
    from jackfield.worker.engine.prefix.cells import CellLedger
    from jackfield.worker.engine.prefix.costs import StateCosts
    from jackfield.worker.engine.prefix.counters import CacheCounters, Reason
    from jackfield.worker.engine.prefix.finding import Found
    from jackfield.worker.engine.prefix.states import State

log = structlog.get_logger("jackfield.engine")


class Bringer:
    """Copies, restores and rewinds. Engine loop thread.

    Parameters:
        runner: Can do what its ``limits.reuse`` says.
        cells: Is told of every cell.
        archive: Has the states.
        costs: Are told what restoring takes.
        counters: Of the cache.

    Attributes:
        short_of: Why the last ``bring`` brought less than was found, if it did.
    """

    def __init__(
        self, runner: ReusableRunner, cells: CellLedger, archive: Archive, costs: StateCosts, counters: CacheCounters
    ) -> None:
        self._runner = runner
        self._cells = cells
        self._archive = archive
        self._costs = costs
        self._counters = counters
        self.short_of: Reason = "no_room"

    def bring(self, found: Found, target: int) -> int:
        """Let *target*, which holds nothing and is unknown to the ledger, hold what was *found*; return how much it is.

        Less than was found where a state is lost on the way, nothing where the runner fails. The ledger has it then.
        """
        self.short_of = "no_room"
        if not found.length:
            return 0
        try:
            length = self._bring(found, target)
        except KVExhausted:
            length = 0
        except BackendFault as error:
            log.warning("a cached prefix could not be used", error=error.message)
            self.short_of = "state_lost"
            for state, _ in found.states:
                self._archive.lose(state)
            length = 0
        if not length:
            self._forget(target)
        return length

    def _bring(self, found: Found, target: int) -> int:
        held = 0
        if found.source is not None:
            self._runner.copy(found.source, target, found.copied)
            self._cells.copy(found.source, target, found.copied)
            held = found.copied
        for state, length in found.states:
            if held != state.start or not self._restore(state, target, length):
                break
            held = length
            if length == state.end and found.checkpoint is None:
                self._archive.restored(state)
        checkpoint = found.checkpoint
        if checkpoint is None or not held:
            return held
        return self._rewind(checkpoint, target, found.length, held)

    def _restore(self, state: State, target: int, length: int) -> bool:
        data = self._archive.get(state)
        if data is None:
            self.short_of = "state_lost"
            return False
        began = time.perf_counter()
        self._runner.restore(target, data, length)
        seconds = time.perf_counter() - began
        leaf = self._cells.leaves.get(target) or self._cells.begin(target)
        self._cells.grow(leaf, length - state.start)
        self._costs.restored(length - state.start, seconds)
        self._counters.restore_s += seconds
        self._counters.restored_bytes += len(data)
        return True

    def _rewind(self, checkpoint: State, target: int, length: int, held: int) -> int:
        data = self._archive.get(checkpoint)
        if data is None:
            self.short_of = "state_lost"
            return 0
        self._runner.rewind(target, data, length)
        self._cells.shrink(self._cells.leaves[target], held - length)
        return length

    def _forget(self, target: int) -> None:
        """*target* holds nothing, whatever was begun."""
        self._runner.remove(target)
        if target in self._cells.leaves:
            self._cells.rest(target)
            self._cells.drop(target)
