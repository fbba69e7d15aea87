"""The sequence table: who waits, who runs, and what schedulers may do about it."""

from __future__ import annotations

from bisect import insort
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from jackfield.errors import PluginError
from jackfield.lifecycle import RequestEvent
from jackfield.ports.scheduler import SchedulerView, StepPlan
from jackfield.worker.engine.sequence import NO_SLOT, Sequence
from jackfield.worker.engine.slots import SlotBoard

LOOKED_UP: Final = 64
"""Waiting sequences, the oldest, that are looked up in the prefix cache before a step: a long queue costs nothing."""

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jackfield.ports.backend import RunnerLimits
    from jackfield.worker.engine.prefix.cache import PrefixCache

_by_id = attrgetter("id")


class SequenceTable:
    """Bookkeeping of all sequences; every change goes through here, so that it always adds up.

    Parameters:
        limits: What the runner can hold.
        cache: Has their ids and cells.

    Owned by the engine loop thread.
    """

    def __init__(self, limits: RunnerLimits, cache: PrefixCache) -> None:
        self._limits = limits
        self._cache = cache
        self._cells = cache.cells
        self._sequences: dict[int, Sequence] = {}
        self.slots = SlotBoard(limits.max_sequences)
        self.waiting: list[Sequence] = []
        self.running: list[Sequence] = []
        self.held: list[Sequence] = []
        """Wait for what a slow store has of their prompts; schedulers do not see them."""

    def __len__(self) -> int:
        return len(self._sequences)

    def __iter__(self) -> Iterator[Sequence]:
        return iter(list(self._sequences.values()))

    def add(self, sequence: Sequence) -> None:
        """A new sequence waits."""
        self._sequences[sequence.id] = sequence
        self.waiting.append(sequence)

    def hold(self, sequence: Sequence, until: float) -> None:
        """A waiting sequence is not to start before a slow store has answered, or before *until*."""
        sequence.held_until = until
        self.waiting.remove(sequence)
        self.held.append(sequence)

    def let_go(self, sequence: Sequence) -> None:
        """A held sequence may start; nothing happens if it is not held any more."""
        if sequence in self.held:
            self.held.remove(sequence)
            insort(self.waiting, sequence, key=_by_id)

    def view(self, now: float) -> SchedulerView:
        """What the scheduler may see. The lists are the table's own: it must not change them."""
        for sequence in [sequence for sequence in self.held if sequence.held_until <= now]:
            self.let_go(sequence)
        for sequence in self.waiting[:LOOKED_UP]:
            self._cache.look(sequence)
        return SchedulerView(
            now,
            self.waiting,
            self.running,
            self._limits.max_sequences - len(self.running),
            self.free_tokens,
            self._limits.max_batch_tokens,
            self._cache.token_s(),
        )

    @property
    def free_tokens(self) -> int:
        """Cells that no running sequence holds."""
        return self._limits.kv_tokens - self._cells.busy

    def resolve(self, plan: StepPlan) -> list[tuple[Sequence, int]]:
        """The sequences that *plan* names, checked against the rules of ``StepPlan``. Changes nothing.

        Raises:
            PluginError: The scheduler broke a rule.
        """
        preempted = [self._find(number) for number in plan.preempt]
        chunks = [(self._find(chunk.id), chunk.tokens) for chunk in plan.chunks]
        named = {sequence.id for sequence, _ in chunks}
        if len(named) != len(chunks) or not named.isdisjoint(plan.preempt):
            raise PluginError("the scheduler planned a sequence twice")
        if any(sequence.slot == NO_SLOT for sequence in preempted):
            raise PluginError("the scheduler preempted a sequence that does not run")
        self._check_budgets(chunks, preempted)
        return chunks

    def start(self, sequence: Sequence, now: float, room: int) -> None:
        """Let a waiting sequence run. What it finds computed may take *room* cells that no running one holds."""
        self._cache.start(sequence, room)
        sequence.life.fire(RequestEvent.SCHEDULED)
        self.waiting.remove(sequence)
        self.running.append(sequence)
        self.slots.take(sequence)
        if sequence.started is None:
            sequence.started = now

    def grow(self, sequence: Sequence, tokens: int) -> None:
        """*tokens* more cells of a running *sequence* are computed."""
        sequence.computed += tokens
        if sequence.leaf is not None:
            self._cells.grow(sequence.leaf, tokens)

    def shift(self, sequence: Sequence, keep: int, discard: int) -> None:
        """The *discard* cells after the first *keep* of *sequence* are gone, with their tokens."""
        sequence.shift(keep, discard)
        if sequence.leaf is not None:
            self._cells.shrink(sequence.leaf, discard)

    def preempt(self, sequence: Sequence) -> None:
        """Take slot and cells back; the sequence waits at the place its arrival gives it."""
        sequence.life.fire(RequestEvent.PREEMPTED)
        sequence.prefix.lost = sequence.computed
        self._release(sequence, leave=True)
        insort(self.waiting, sequence, key=_by_id)

    def remove(self, sequence: Sequence, *, leave: bool) -> None:
        """The sequence is over. If it may *leave* what it has computed, the prefix cache keeps that."""
        del self._sequences[sequence.id]
        self._cache.let_go(sequence)
        if sequence.slot != NO_SLOT:
            self._release(sequence, leave=leave)
        elif sequence in self.held:
            self.held.remove(sequence)
        else:
            self.waiting.remove(sequence)

    def check_integrity(self) -> None:
        """Raise ``AssertionError`` unless everything adds up. For tests, and for the loop when it is idle."""
        everybody = [*self.waiting, *self.held, *self.running]
        if len(everybody) != len(self._sequences) or {*everybody} != {*self._sequences.values()}:
            raise AssertionError("a sequence neither waits nor runs")
        self._cache.check_integrity(self.running)

    def _find(self, number: int) -> Sequence:
        sequence = self._sequences.get(number)
        if sequence is None:
            raise PluginError("the scheduler planned a sequence that does not exist")
        return sequence

    def _check_budgets(self, chunks: list[tuple[Sequence, int]], preempted: list[Sequence]) -> None:
        total = sum(tokens for _, tokens in chunks)
        if total > self._limits.max_batch_tokens or any(not 1 <= tokens <= s.pending for s, tokens in chunks):
            raise PluginError("the scheduler planned more tokens than the step or a sequence has")
        freed = sum(sequence.cells for sequence in preempted)
        fresh = [sequence for sequence, _ in chunks if sequence.slot == NO_SLOT]
        if total + sum(sequence.cells for sequence in fresh) > self.free_tokens + freed:
            raise PluginError("the scheduler planned more KV cells than are free")
        if len(fresh) > self._limits.max_sequences - len(self.running) + len(preempted):
            raise PluginError("the scheduler planned more sequences than there are slots")

    def _release(self, sequence: Sequence, *, leave: bool) -> None:
        self.running.remove(sequence)
        self.slots.leave(sequence)
        if leave:
            self._cache.leave(sequence)
        else:
            self._cache.drop(sequence)
        sequence.slot = NO_SLOT
        sequence.computed = 0
