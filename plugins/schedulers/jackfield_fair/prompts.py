"""Who gets what answers leave of a step: prompts, one after another, of those that run and those that start."""

from __future__ import annotations

from heapq import heapify, heappop, heappush, heapreplace
from typing import TYPE_CHECKING, NamedTuple

from jackfield.scheduling import find
from jackfield_fair.ledger import Account
from jackfield_fair.lines import Line
from jackfield_fair.preemption import Claim

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.ports.scheduler import SchedulerView
    from jackfield.scheduling import StepDraft
    from jackfield_fair.history import History
    from jackfield_fair.preemption import Holders


class Contender(NamedTuple):
    """A running prompt, or who is next in a line. The smallest goes first; no two have the same number."""

    level: int
    served: float
    """What its tenant was served, with what it is to get in this step."""
    number: int
    who: Account | Line
    taken: int = 0
    """How many of a line have started in this step."""


class PromptRound:
    """Gives the prompt tokens of one step away.

    Parameters:
        history: What was served before.
        holders: Those that run.
        prompting: Those of them whose prompts are being computed.
    """

    def __init__(self, history: History, holders: Holders, prompting: Sequence[Account]) -> None:
        self._history = history
        self._holders = holders
        self._prompting = prompting
        self._spent: dict[str, float] = {}
        self._starting = False
        self._victims: set[int] = set()
        self._contenders = [Contender(each.level, holders.served(each), each.number, each) for each in prompting]
        heapify(self._contenders)

    def serve(self, view: SchedulerView, draft: StepDraft) -> int:
        """Fill *draft*; return whose prompt came first, or -1."""
        self._open_queue(view, draft)
        served: list[int] = []
        while draft.tokens > 0 and draft.prompts > 0 and (first := self._first()) is not None:
            if isinstance(first.who, Account):
                heappop(self._contenders)
                if first.number not in self._victims:
                    self._spend(first.who.tenant, draft.prompt(first.who.sequence))
                    served.append(first.number)
            elif self._start(first, first.who.tenant, view, draft):
                self._advance(first, first.who)
                served.append(first.number)
            else:  # passing it over would let small ones starve a large one
                self._close_queue()
        return served[0] if served else -1

    def _open_queue(self, view: SchedulerView, draft: StepDraft) -> None:
        """Let those that wait take part, where any of them may start."""
        least = self._history.shares.least()
        if draft.preempted or least is None:  # room that was just made belongs to those who run
            return
        most_urgent = min(self._history.lines.priorities)
        self._starting = self._holders.possible(most_urgent, least) or draft.may_start
        if self._starting:
            most_urgent = min([most_urgent, *[holder.priority for holder in self._holders.by_standing]])
            entering = {holder.stood for holder in self._prompting}
            self._history.order.begin(view.now, most_urgent, entering)

    def _close_queue(self) -> None:
        self._starting = False
        self._contenders = [each for each in self._contenders if isinstance(each.who, Account)]
        heapify(self._contenders)

    def _first(self) -> Contender | None:
        """Whose turn it is. What was spent in this step is put into the ranks as far as that hangs on it."""
        contenders = self._contenders
        while True:
            if self._starting:
                self._fetch()
            if not contenders:
                return None
            first = contenders[0]
            served = self._served(first.who)
            if served <= first.served:
                return first
            heapreplace(contenders, first._replace(served=served))

    def _fetch(self) -> None:
        """Those that wait and go before all that are here take part."""
        order, contenders = self._history.order, self._contenders
        while (entry := order.best()) is not None and not (contenders and contenders[0][:3] < entry[:3]):
            order.take()
            line = entry[4]
            if not (self._prompting and self._history.waits_for_others(line.first)):
                heappush(contenders, Contender(entry[0], self._served(line), line.first, line))

    def _advance(self, first: Contender, line: Line) -> None:
        """The first one has started; the next of its line takes its place. Ageing has brought in one only."""
        taken = first.taken + 1
        if taken < len(line.entries):
            following = Contender(line.priority, self._served(line), line.entries[taken][0], line, taken)
            heapreplace(self._contenders, following)
        else:
            heappop(self._contenders)

    def _served(self, who: Account | Line) -> float:
        before = self._holders.served(who) if isinstance(who, Account) else self._history.shares.of(who.tenant)
        return before + self._spent.get(who.tenant, 0.0)

    def _spend(self, tenant: str, tokens: int) -> None:
        self._spent[tenant] = self._spent.get(tenant, 0.0) + tokens / self._history.shares.weight(tenant)

    def _start(self, first: Contender, tenant: str, view: SchedulerView, draft: StepDraft) -> bool:
        sequence = find(view.waiting, first.number)
        assert sequence is not None  # noqa: S101  the lines have who is in the view, and nobody else
        victims = self._holders.victims(Claim(sequence, first.level), draft)
        if victims is None:
            return False
        for victim in victims:
            draft.preempt(victim.sequence)
            self._victims.add(victim.number)
        self._holders.give_way(victims)
        before = draft.tokens
        draft.start(sequence)
        self._history.ledger.starts(sequence, first.level)
        self._spend(tenant, before - draft.tokens)
        return True
