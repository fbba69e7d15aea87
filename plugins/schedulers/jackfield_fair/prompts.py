"""Who gets what answers leave of a step: prompts, one after another, of those that run and those that start."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from jackfield.scheduling import answers
from jackfield_fair.lines import Line, find
from jackfield_fair.preemption import Claim

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from jackfield.ports.scheduler import SchedulerView, SequenceView
    from jackfield.scheduling import StepDraft
    from jackfield_fair.config import FairConfig
    from jackfield_fair.history import History
    from jackfield_fair.preemption import Preemption

    Rank: TypeAlias = tuple[int, float, int]
    """Level, what its tenant was served, arrival: the smallest goes first."""


class Contender:
    """A line that waits, and how far it was served in this step."""

    __slots__ = ("level", "line", "taken")

    def __init__(self, line: Line, level: int) -> None:
        self.line = line
        self.level = level
        self.taken = 0

    @property
    def first(self) -> int:
        """Id of who is next."""
        return self.line.entries[self.taken][0]

    def take(self) -> bool:
        """Who was next has started; return whether there is another one. Ageing has brought in one only."""
        self.taken += 1
        self.level = self.line.priority
        return self.taken < len(self.line.entries)


class PromptRound:
    """Gives the prompt tokens of one step away.

    Parameters:
        config: Of the plugin.
        history: What was served before.
        preemption: Who may take whose slot.
        current: Whose prompt got the first tokens of the last round: it goes on unless another is a slice behind.
    """

    def __init__(self, config: FairConfig, history: History, preemption: Preemption, current: int) -> None:
        self._config = config
        self._history = history
        self._preemption = preemption
        self._current = current
        self._spent: dict[str, float] = {}

    def serve(self, view: SchedulerView, draft: StepDraft) -> int:
        """Fill *draft*; return whose prompt came first, or -1."""
        prompting = [sequence for sequence in draft.running if not answers(sequence)]
        # room that was just made belongs to those who run
        contenders = [] if draft.preempted else self._contenders(view, prompting)
        served: list[int] = []
        while draft.tokens > 0 and draft.prompts > 0 and (prompting or contenders):
            running = min(prompting, key=self._rank_running, default=None)
            waiting = min(contenders, key=self._rank_waiting, default=None)
            if waiting is None or (running and self._rank_running(running) < self._rank_waiting(waiting)):
                assert running is not None  # noqa: S101  one of the two is there
                prompting.remove(running)
                self._spend(running.tenant, draft.prompt(running))
                served.append(running.id)
            elif self._start(waiting, view, draft, prompting):
                served.append(waiting.first)
                if not waiting.take():
                    contenders.remove(waiting)
            else:  # passing it over would let small ones starve a large one
                contenders = []
        return served[0] if served else -1

    def _contenders(self, view: SchedulerView, prompting: Sequence[SequenceView]) -> list[Contender]:
        lines = self._history.lines.all
        if not lines:
            return []
        most_urgent = min(chain((line.priority for line in lines), (each.priority for each in view.running)))
        # what ageing has brought in must be seen to get on before it brings in more
        entering = {(sequence.tenant, sequence.priority) for sequence in prompting}
        return [
            Contender(line, self._level(line, view.now, most_urgent, entering))
            for line in lines
            if not (prompting and self._history.waits_for_others(line.first))
        ]

    def _level(self, line: Line, now: float, most_urgent: int, entering: set[tuple[str, int]]) -> int:
        if (line.tenant, line.priority) in entering:
            return line.priority
        return line.level(now, self._config.ageing_s, most_urgent)

    def _rank_running(self, sequence: SequenceView) -> Rank:
        served = self._served(sequence.tenant)
        if sequence.id == self._current:
            served -= self._config.slice_tokens / self._history.shares.weight(sequence.tenant)
        return self._preemption.level(sequence), served, sequence.id

    def _rank_waiting(self, contender: Contender) -> Rank:
        return contender.level, self._served(contender.line.tenant), contender.first

    def _served(self, tenant: str) -> float:
        return self._history.shares.of(tenant) + self._spent.get(tenant, 0.0)

    def _spend(self, tenant: str, tokens: int) -> None:
        self._spent[tenant] = self._spent.get(tenant, 0.0) + tokens / self._history.shares.weight(tenant)

    def _start(
        self, contender: Contender, view: SchedulerView, draft: StepDraft, prompting: list[SequenceView]
    ) -> bool:
        sequence = find(view.waiting, contender.first)
        assert sequence is not None  # noqa: S101  the lines have who is in the view, and nobody else
        victims = self._victims(Claim(sequence, contender.level), draft)
        if victims is None:
            return False
        for victim in victims:
            draft.preempt(victim)
            if victim in prompting:
                prompting.remove(victim)
        before = draft.prompts
        draft.start(sequence)
        self._history.ledger.starts(sequence, contender.level)
        self._spend(sequence.tenant, before - draft.prompts)
        return True

    def _victims(self, claim: Claim, draft: StepDraft) -> list[SequenceView] | None:
        """Who must go so that *claim* fits; None where that cannot be."""
        victims: list[SequenceView] = []
        if draft.fits(claim.sequence):
            return victims
        for victim in sorted(self._weaker(claim, draft), key=self._rank_running, reverse=True):
            victims.append(victim)
            if draft.fits(claim.sequence, victims):
                return victims
        return None

    def _weaker(self, claim: Claim, draft: StepDraft) -> list[SequenceView]:
        return [sequence for sequence in draft.running if self._preemption.allows(claim, sequence)]
