"""What schedulers are built from: a draft of a step that keeps the rules of ``StepPlan``, and a bound on prompts.

A scheduler says who goes first; the draft knows how much room there is. ``fcfs``, ``fair`` and
``shortest-prompt-first`` differ in nothing but the order in which they ask it.
"""

from __future__ import annotations

from bisect import bisect_left
from operator import attrgetter
from typing import TYPE_CHECKING, Final, TypeVar

from jackfield.ports.scheduler import Chunk, StepPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from jackfield.ports.scheduler import SchedulerView, SequenceView

FORCED_MAX: Final = 32
"""Tokens that an answer may have pending and still count as one: a grammar forces some without a draw."""

PROMPT_FLOOR: Final = 32
"""Prompt tokens that a step has room for, however slow the machine: a prompt must get on, and each step reads all
weights, which makes a token in steps of 16 twice as dear as in steps of 64 and one in steps of 32 a quarter dearer."""

PROMPT_UNMEASURED: Final = 128
"""The same before anything was measured."""

PROMPT_SLACK: Final = 0.25
"""By how much of it the bound on prompts gives way where a prompt then ends: what is left of it would take a step of
its own, or share one with the next prompt, and either way the first token would come a whole step later."""

PROMPT_PART: Final = 0.5
"""Least part of the bound for which another prompt shares the step in which one ends. Less of it would keep the ending
one's first token waiting, and hardly bring its own nearer."""

STEP_MS_MAX: Final = 60_000
"""Most that a scheduler's option for the length of a step may be."""


AnySequence = TypeVar("AnySequence", bound="SequenceView")
_by_id = attrgetter("id")


def find(waiting: Sequence[AnySequence], number: int) -> AnySequence | None:
    """The sequence with that id among *waiting*, which are in order of their ids, as in a view."""
    place = bisect_left(waiting, number, key=_by_id)
    if place < len(waiting) and waiting[place].id == number:
        return waiting[place]
    return None


def answers(sequence: SequenceView) -> bool:
    """Whether a running sequence draws its answer, and so is kept waiting by the prompts that share its step."""
    return sequence.pending == 1 or (sequence.generated > 0 and sequence.pending <= FORCED_MAX)


def prompt_tokens(view: SchedulerView, step_s: float) -> int:
    """How many prompt tokens are computed in *step_s* seconds, but never less than ``PROMPT_FLOOR``.

    Parameters:
        view: Says what a prompt token takes, and how many a step may hold.
        step_s: Seconds; 0 sets no bound.
    """
    if not step_s:
        return view.max_tokens
    if not view.token_s:
        return min(view.max_tokens, PROMPT_UNMEASURED)
    return min(view.max_tokens, max(PROMPT_FLOOR, int(step_s / view.token_s)))


class StepDraft:
    """A step that is being planned. Whatever is asked of it, ``plan`` keeps the rules.

    Parameters:
        view: Of the step.
        step_s: Seconds that prompts may take where others wait for the step's end: answers for their next token, or a
            prompt that ends in it for its first. 0 sets no bound. ``PROMPT_SLACK`` goes beyond it.

    Tokens of what runs already, and one more for each that runs, are never given to one that starts.
    """

    __slots__ = (
        "_cells",
        "_chunks",
        "_closing",
        "_owed",
        "_part",
        "_preempted",
        "_running",
        "_share",
        "_slack",
        "_slots",
        "_starting",
        "prompts",
        "tokens",
    )

    def __init__(self, view: SchedulerView, step_s: float = 0.0) -> None:
        self.tokens = view.max_tokens
        """What is left of the step."""
        share = prompt_tokens(view, step_s)
        self.prompts = share if any(answers(sequence) for sequence in view.running) else view.max_tokens
        """What is left of it for prompts."""
        self._share = share
        self._slack = int(share * PROMPT_SLACK)
        self._part = int(share * PROMPT_PART)
        self._closing = False
        """Whether a prompt ends in the step."""
        self._slots = view.free_slots
        self._cells = view.free_tokens
        self._running = {sequence.id: sequence for sequence in view.running}
        self._owed = sum(sequence.pending for sequence in view.running)
        self._chunks: dict[int, int] = {}
        self._starting: set[int] = set()
        self._preempted: list[int] = []

    @property
    def running(self) -> Iterable[SequenceView]:
        """Those that run and are not preempted, in the order of the view."""
        return self._running.values()

    @property
    def preempted(self) -> bool:
        """Whether somebody lost its slot."""
        return bool(self._preempted)

    @property
    def may_start(self) -> bool:
        """Whether anybody could start: there is a slot, and room in the step for a prompt."""
        return min(self._slots, self.tokens, self.prompts) > 0

    def make_room(self, rank: Callable[[SequenceView], tuple[float, ...]]) -> None:
        """Where cells run short, preempt until each of the others can have one; who ranks last gives way first."""
        if self._cells >= len(self._running):
            return
        victims = sorted(self._running.values(), key=rank)
        while len(self._running) > 1 and self._cells < len(self._running):
            self.preempt(victims.pop())

    def preempt(self, sequence: SequenceView) -> None:
        """Take slot and cells of a running *sequence*; what it was granted goes back into the step."""
        del self._running[sequence.id]
        granted = self._chunks.pop(sequence.id, 0)
        self.tokens += granted
        self._slots += 1
        self._cells += sequence.cells + granted
        self._owed -= sequence.pending - granted
        self._preempted.append(sequence.id)

    def answer(self, sequences: Iterable[SequenceView]) -> None:
        """Grant running *sequences* what they have pending, as far as the step has room."""
        for sequence in sequences:
            self._grant(sequence, min(sequence.pending, self.tokens, self._cells))

    def prompt(self, sequence: SequenceView) -> int:
        """Grant a running *sequence* as much of its prompt as there is room for; return how much that is.

        Where a prompt ends the step holds no more of others than can be computed meanwhile: its first token would wait.
        """
        tokens = self._portion(sequence)
        self._grant(sequence, tokens)
        self.prompts = max(0, self.prompts - tokens)
        self._share -= tokens
        if tokens == sequence.pending:
            self.prompts = min(self.prompts, max(0, self._share))
            self._closing = True
        return tokens

    def _portion(self, sequence: SequenceView) -> int:
        """How much of its prompt *sequence* is given."""
        if not self._has_part_for(sequence):
            return 0
        room = min(self.tokens, self._cells, self.prompts + self._slack)
        return sequence.pending if sequence.pending <= room else min(room, self.prompts)

    def _has_part_for(self, sequence: SequenceView) -> bool:
        """Whether the step has room for a part of that prompt that is worth it."""
        if self.tokens <= 0 or self.prompts <= 0:
            return False
        return not self._closing or self.prompts >= self._part or sequence.pending <= self.prompts + self._slack

    def fits(self, sequence: SequenceView, without: Sequence[SequenceView] = ()) -> bool:
        """Whether a waiting *sequence* can start: its whole prompt, a token more, and one for each that runs.

        Parameters:
            sequence: Who would start.
            without: Running sequences that would be preempted for it.
        """
        if not self._has_part_for(sequence):
            return False
        running = len(self._running) + len(self._starting) - len(without)
        freed = sum(victim.cells + victim.pending for victim in without)
        room = self._cells - self._owed + freed - sequence.cells - sequence.pending
        return self._slots + len(without) > 0 and room > running

    def start(self, sequence: SequenceView) -> bool:
        """Start a waiting *sequence* if it fits; return whether it does."""
        if not self.fits(sequence):
            return False
        self._slots -= 1
        self._starting.add(sequence.id)
        self._cells -= sequence.cells
        self._owed += sequence.pending
        self.prompt(sequence)
        return True

    def plan(self) -> StepPlan:
        """What was drafted."""
        return StepPlan([Chunk(id_, tokens) for id_, tokens in self._chunks.items()], self._preempted)

    def _grant(self, sequence: SequenceView, tokens: int) -> None:
        if tokens <= 0:
            return
        self._chunks[sequence.id] = tokens
        self.tokens -= tokens
        self._cells -= tokens
        self._owed -= tokens
