"""The sequence table: who waits, who runs, in which slot, with how many KV cells."""

from __future__ import annotations

from bisect import insort
from operator import attrgetter
from typing import TYPE_CHECKING

from jackfield.errors import PluginError
from jackfield.lifecycle import RequestEvent
from jackfield.ports.scheduler import SchedulerView, StepPlan
from jackfield.worker.engine.sequence import NO_SLOT, Sequence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jackfield.ports.backend import RunnerLimits

_by_id = attrgetter("id")


class SequenceTable:
    """Bookkeeping of all sequences; every change goes through here, so that slots and cells always add up.

    Parameters:
        limits: What the runner can hold.

    Owned by the engine loop thread.
    """

    def __init__(self, limits: RunnerLimits) -> None:
        self._limits = limits
        self._sequences: dict[int, Sequence] = {}
        self.waiting: list[Sequence] = []
        self.running: list[Sequence] = []
        self._slots = list(range(limits.max_sequences - 1, -1, -1))
        self.kv_used = 0
        """Cells that running sequences hold, in tokens."""

    def __len__(self) -> int:
        return len(self._sequences)

    def __iter__(self) -> Iterator[Sequence]:
        return iter(list(self._sequences.values()))

    def add(self, sequence: Sequence) -> None:
        """A new sequence waits."""
        self._sequences[sequence.id] = sequence
        self.waiting.append(sequence)

    def view(self, now: float) -> SchedulerView:
        """What the scheduler may see. The lists are the table's own: it must not change them."""
        return SchedulerView(
            now,
            self.waiting,
            self.running,
            len(self._slots),
            self._limits.kv_tokens - self.kv_used,
            self._limits.max_batch_tokens,
        )

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

    def start(self, sequence: Sequence, now: float) -> None:
        """Give a waiting sequence a slot."""
        sequence.life.fire(RequestEvent.SCHEDULED)
        self.waiting.remove(sequence)
        sequence.slot = self._slots.pop()
        self.running.append(sequence)
        if sequence.started is None:
            sequence.started = now

    def grow(self, sequence: Sequence, tokens: int) -> None:
        """*tokens* more cells of *sequence* are computed."""
        sequence.computed += tokens
        self.kv_used += tokens

    def shift(self, sequence: Sequence, keep: int, discard: int) -> None:
        """The *discard* cells after the first *keep* of *sequence* are gone, with their tokens."""
        sequence.shift(keep, discard)
        self.kv_used -= discard

    def preempt(self, sequence: Sequence) -> None:
        """Take slot and cells back; the sequence waits at the place its arrival gives it."""
        sequence.life.fire(RequestEvent.PREEMPTED)
        self._release(sequence)
        insort(self.waiting, sequence, key=_by_id)

    def remove(self, sequence: Sequence) -> None:
        """The sequence is over."""
        del self._sequences[sequence.id]
        if sequence.slot == NO_SLOT:
            self.waiting.remove(sequence)
        else:
            self._release(sequence)

    def check_integrity(self) -> None:
        """Raise ``AssertionError`` unless slots and cells add up. For tests, and for the loop when it is idle."""
        slots = [sequence.slot for sequence in self.running] + self._slots
        if sorted(slots) != list(range(self._limits.max_sequences)):
            raise AssertionError("a slot is lost or held twice")
        if self.kv_used != sum(sequence.computed for sequence in self.running):
            raise AssertionError("KV cells do not add up")
        if {*self.waiting, *self.running} != {*self._sequences.values()}:
            raise AssertionError("a sequence neither waits nor runs")

    def _find(self, number: int) -> Sequence:
        sequence = self._sequences.get(number)
        if sequence is None:
            raise PluginError("the scheduler planned a sequence that does not exist")
        return sequence

    def _check_budgets(self, chunks: list[tuple[Sequence, int]], preempted: list[Sequence]) -> None:
        total = sum(tokens for _, tokens in chunks)
        if total > self._limits.max_batch_tokens or any(not 1 <= tokens <= s.pending for s, tokens in chunks):
            raise PluginError("the scheduler planned more tokens than the step or a sequence has")
        freed = sum(sequence.computed for sequence in preempted)
        if total > self._limits.kv_tokens - self.kv_used + freed:
            raise PluginError("the scheduler planned more KV cells than are free")
        fresh = sum(sequence.slot == NO_SLOT for sequence, _ in chunks)
        if fresh > len(self._slots) + len(preempted):
            raise PluginError("the scheduler planned more sequences than there are slots")

    def _release(self, sequence: Sequence) -> None:
        self.running.remove(sequence)
        self._slots.append(sequence.slot)
        sequence.slot = NO_SLOT
        self.kv_used -= sequence.computed
        sequence.computed = 0
