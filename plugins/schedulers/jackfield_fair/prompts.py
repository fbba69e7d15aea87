"""Who gets what answers leave of a step: prompts, one after another, of those that run and those that start."""

from __future__ import annotations

from heapq import heapify, heappop, heapreplace
from typing import TYPE_CHECKING

from jackfield.scheduling import answers, find
from jackfield_fair.preemption import Claim

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from jackfield.ports.scheduler import SchedulerView, SequenceView
    from jackfield.scheduling import StepDraft
    from jackfield_fair.config import FairConfig
    from jackfield_fair.history import History
    from jackfield_fair.lines import Line
    from jackfield_fair.preemption import Preemption

    Rank: TypeAlias = tuple[int, float, int]
    """Level, what its tenant was served, arrival: the smallest goes first."""

    Contender: TypeAlias = tuple[int, float, int, int, Line]
    """The rank of who is next in a line, how many of the line have started in this step, and the line."""


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
        waiting = [] if draft.preempted else self._contenders(view, draft, prompting)
        served: list[int] = []
        while draft.tokens > 0 and draft.prompts > 0:
            running = min(prompting, key=self._rank_running, default=None)
            self._settle(waiting)
            if running is not None and (not waiting or self._rank_running(running) < waiting[0][:3]):
                prompting.remove(running)
                self._spend(running.tenant, draft.prompt(running))
                served.append(running.id)
            elif waiting and self._start(waiting[0], view, draft, prompting):
                served.append(waiting[0][2])
                self._advance(waiting)
            elif waiting:  # passing it over would let small ones starve a large one
                waiting = []
            else:
                break
        return served[0] if served else -1

    def _contenders(self, view: SchedulerView, draft: StepDraft, prompting: Sequence[SequenceView]) -> list[Contender]:
        """The first of each line that may start, as a heap."""
        lines = self._history.lines.all
        if not lines:
            return []
        most_urgent = min(line.priority for line in lines)
        if not (draft.may_start or self._preemption.possible(draft.running, most_urgent)):
            return []
        most_urgent = min(most_urgent, min((sequence.priority for sequence in view.running), default=most_urgent))
        entering = {(sequence.tenant, sequence.priority) for sequence in prompting}
        of, ageing_s, now = self._history.shares.of, self._config.ageing_s, view.now
        contenders = [
            (line.level(now, ageing_s, most_urgent, entering), of(line.tenant), line.first, 0, line) for line in lines
        ]
        if prompting:
            contenders = [each for each in contenders if not self._history.waits_for_others(each[2])]
        heapify(contenders)
        return contenders

    def _settle(self, contenders: list[Contender]) -> None:
        """Put what was spent in this step into the ranks, as far as the first one hangs on it."""
        while contenders:
            level, served, first, taken, line = contenders[0]
            if self._served(line.tenant) <= served:
                return
            heapreplace(contenders, (level, self._served(line.tenant), first, taken, line))

    def _advance(self, contenders: list[Contender]) -> None:
        """The first one has started; the next of its line takes its place. Ageing has brought in one only."""
        _, _, _, taken, line = contenders[0]
        taken += 1
        if taken < len(line.entries):
            following = line.priority, self._served(line.tenant), line.entries[taken][0], taken, line
            heapreplace(contenders, following)
        else:
            heappop(contenders)

    def _rank_running(self, sequence: SequenceView) -> Rank:
        served = self._served(sequence.tenant)
        if sequence.id == self._current:
            served -= self._config.slice_tokens / self._history.shares.weight(sequence.tenant)
        return self._preemption.level(sequence), served, sequence.id

    def _served(self, tenant: str) -> float:
        return self._history.shares.of(tenant) + self._spent.get(tenant, 0.0)

    def _spend(self, tenant: str, tokens: int) -> None:
        self._spent[tenant] = self._spent.get(tenant, 0.0) + tokens / self._history.shares.weight(tenant)

    def _start(
        self, contender: Contender, view: SchedulerView, draft: StepDraft, prompting: list[SequenceView]
    ) -> bool:
        level, _, number, _, _ = contender
        sequence = find(view.waiting, number)
        assert sequence is not None  # noqa: S101  the lines have who is in the view, and nobody else
        victims = self._victims(Claim(sequence, level), draft)
        if victims is None:
            return False
        for victim in victims:
            draft.preempt(victim)
            if victim in prompting:
                prompting.remove(victim)
        before = draft.tokens
        draft.start(sequence)
        self._history.ledger.starts(sequence, level)
        self._spend(sequence.tenant, before - draft.tokens)
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
