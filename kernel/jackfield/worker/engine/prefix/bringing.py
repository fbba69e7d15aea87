"""Bringing what was found into a sequence. A fault costs a computation, never a request."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from jackfield.errors import BackendFault, KVExhausted

if TYPE_CHECKING:
    from jackfield.ports.reuse import ReusableRunner
    from jackfield.worker.engine.prefix.archive import Archive
    from jackfield.worker.engine.prefix.costs import StateCosts
    from jackfield.worker.engine.prefix.counters import CacheCounters, Reason
    from jackfield.worker.engine.prefix.finding import Found
    from jackfield.worker.engine.prefix.holders import Holders
    from jackfield.worker.engine.prefix.states import State

log = structlog.get_logger("jackfield.engine")


class Bringer:
    """Copies, restores and rewinds. Engine loop thread.

    Parameters:
        runner: Can do what its ``limits.reuse`` says.
        holders: Make room for what is restored; their ledger is told of every cell.
        archive: Has the states.
        costs: Are told what restoring takes.
        counters: Of the cache.

    Attributes:
        short_of: Why the last ``bring`` brought less than was found, if it did.
    """

    def __init__(
        self, runner: ReusableRunner, holders: Holders, archive: Archive, costs: StateCosts, counters: CacheCounters
    ) -> None:
        self._runner = runner
        self._holders = holders
        self._cells = holders.cells
        self._archive = archive
        self._costs = costs
        self._counters = counters
        self.short_of: Reason = "no_room"
        self._at: State | None = None
        """The state that is used; None while nothing but the device is."""

    def bring(self, found: Found, target: int) -> int:
        """Let *target*, which holds nothing and is unknown to the ledger, hold what was *found*; return how much it is.

        Less than was found where a state is lost on the way, nothing where the runner fails; what it failed at is
        forgotten. The ledger has it then.
        """
        self.short_of = "no_room"
        self._at = None
        if not found.length:
            return 0
        try:
            length = self._bring(found, target)
        except KVExhausted:
            length = 0
        except BackendFault as error:
            self._blame(error)
            self._blame_source(found)
            length = 0
        if not length:
            self._forget(target)
        return length

    def _blame_source(self, found: Found) -> None:
        """Where no state was at hand it was the copy that failed: what it was of leaves, if nobody runs in it."""
        source = found.source
        if self._at is None and source is not None and source in self._holders.residents:
            self._holders.evict(source, lost=True)

    def take_back(self, found: Found, resident: int) -> bool:
        """Take *resident* itself back to what was *found* in it; whether it is there, as the ledger then says.

        Where it is not it stays as it was, or has left where the runner failed.
        """
        self.short_of = "no_room"
        self._at = None
        try:
            there = self._take_back(found, resident)
        except BackendFault as error:
            self._blame(error)
            self._holders.evict(resident, lost=True)
            return False
        if there:
            self._cells.cut(resident, found.length)
        return there

    def _take_back(self, found: Found, resident: int) -> bool:
        if found.checkpoint is not None:
            data = self._fetch(found.checkpoint)
            if data is None:
                return False
            self._runner.rewind(resident, data, found.length)
        elif found.length < self._cells.length(resident):
            self._runner.cut(resident, found.length)
        return True

    def _blame(self, error: BackendFault) -> None:
        """The runner failed at something that would fail again: where that was a state it is lost."""
        log.warning("a cached prefix could not be used", error=error.message)
        self.short_of = "state_lost"
        if self._at is not None:
            self._archive.lose(self._at)

    def _fetch(self, state: State) -> memoryview | None:
        """*state*, which is used next."""
        self._at = state
        data = self._archive.get(state)
        if data is None:
            self.short_of = "state_lost"
        return data

    def _bring(self, found: Found, target: int) -> int:
        held = 0
        if found.source is not None:
            self._runner.copy(found.source, target, found.copied)
            self._cells.copy(found.source, target, found.copied)
            held = found.copied
        for state, length in found.states:
            all_of_it = length == state.end and found.checkpoint is None
            if held != state.start or not self._restore(state, target, length, all_of_it=all_of_it):
                break
            held = length
        checkpoint = found.checkpoint
        if checkpoint is None or not held:
            return held
        return self._rewind(checkpoint, target, found.length, held)

    def _restore(self, state: State, target: int, length: int, *, all_of_it: bool) -> bool:
        data = self._fetch(state)
        if data is None:
            return False
        if all_of_it:  # before room is made on the device: what leaves that takes its place in the store
            self._archive.restored(state)
        if not self._holders.make_room(length - state.start):
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
        data = self._fetch(checkpoint)
        if data is None:
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
