"""How long a request that comes now would wait for its first step: what its worker reports and what its answers took.

Two things may keep it waiting, and the one that lasts longer counts. *Work*: tokens that are computed before its own.
The worker predicts that in each of its reports; what was sent to it since then is added, at what prompts took lately.
*Places*: where all slots are taken, it needs as many answers to end as wait before it. That follows from the length of
answers and from how fast tokens came lately while all slots were taken; before anything is known of that, from how long
answers held their places.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from jackfield.ports.observer import EngineStats

_NEWEST: Final = 0.2
"""Weight of the newest answer or report in a moving average: about the last ten count."""


class Service(NamedTuple):
    """What one answer took."""

    held_s: float
    """How long it held its place."""
    prefill_s: float = 0.0
    """How much of that until its first token."""
    prompt_tokens: int = 0
    """Cached ones included, so that the next prompts count for what they are likely to cost."""
    drawn: int = 0
    """Tokens of the answer."""


class Mean:
    """An amount for one of something, as it was lately: what comes in large numbers counts for more."""

    __slots__ = ("_amount", "_count")

    def __init__(self) -> None:
        self._amount = 0.0
        self._count = 0.0

    def add(self, amount: float, count: float) -> None:
        """*count* of them made up *amount*."""
        self._amount += _NEWEST * (amount - self._amount)
        self._count += _NEWEST * (count - self._count)

    @property
    def known(self) -> bool:
        """Whether anything was counted."""
        return self._count > 0

    @property
    def value(self) -> float:
        """The amount for one; 0 before anything was counted."""
        return self._amount / self._count if self.known else 0.0


class Forecast:
    """Learns from one worker's answers and reports.

    Parameters:
        slots: Answers that are computed at once; may change when the worker has loaded the model.

    Event loop thread.
    """

    __slots__ = ("_answer_tokens", "_drawn_s", "_held_s", "_prompt_s", "_report", "_reported_at", "slots")

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._held_s = Mean()
        """That an answer held its place."""
        self._answer_tokens = Mean()
        self._prompt_s = Mean()
        """For a further token of a prompt."""
        self._drawn_s = Mean()
        """For a drawn token, while all places were taken."""
        self._report: EngineStats | None = None
        self._reported_at = 0.0

    def served(self, service: Service) -> None:
        """An answer succeeded."""
        self._held_s.add(service.held_s, 1)
        self._answer_tokens.add(service.drawn, 1)
        # the first token of a prompt takes a step, as a drawn one does, and the others make that step longer
        step_s = (service.held_s - service.prefill_s) / (service.drawn - 1) if service.drawn > 1 else 0.0
        self._prompt_s.add(max(0.0, service.prefill_s - step_s), max(0, service.prompt_tokens - 1))

    def reported(self, stats: EngineStats, now: float) -> None:
        """The worker's report arrived at monotonic time *now*."""
        before, self._report, self._reported_at = self._report, stats, now
        # with places free, a token takes longer than where it shares its step with others
        if before is not None and before.steps < stats.steps and stats.running >= self.slots:
            self._drawn_s.add(stats.step_s - before.step_s, stats.generated_tokens - before.generated_tokens)

    def wait_s(self, in_flight: int, answers: int, backlog: int, now: float) -> float:
        """Seconds until the last of a request's *answers* has had its first step.

        Parameters:
            in_flight: Answers that the worker owes already.
            answers: How many the request asks for.
            backlog: Tokens of prompts that were sent to the worker and are in no report yet.
            now: Monotonic seconds.
        """
        return max(self._work_s(backlog, now), self._places_s(max(0, in_flight + answers - self.slots)))

    def _work_s(self, backlog: int, now: float) -> float:
        known = 0.0 if self._report is None else max(0.0, self._report.wait_s - (now - self._reported_at))
        return known + backlog * self._prompt_s.value

    def _places_s(self, waiting: int) -> float:
        if not self._drawn_s.known:
            return waiting * self._held_s.value / self.slots
        return waiting * self._answer_tokens.value * self._drawn_s.value
