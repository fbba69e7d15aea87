"""The engine loop: inbox → plan → step → events, until it is stopped.

Nothing in here blocks but the backend's ``decode`` and, with nothing to do, the inbox.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from jackfield.errors import PluginError, WorkerDied
from jackfield.lifecycle import RequestEvent
from jackfield.worker.engine.clock import REPORT_INTERVAL_S, StepClock
from jackfield.worker.engine.endings import Endings
from jackfield.worker.engine.figures import engine_stats
from jackfield.worker.engine.prefix.cache import PrefixCache
from jackfield.worker.engine.prefix.report import cache_report, clear
from jackfield.worker.engine.prefix.slot_states import SlotStates
from jackfield.worker.engine.prefix.tiers import Tiers
from jackfield.worker.engine.sequence import PreparedRequest, Sequence
from jackfield.worker.engine.step import Stepper
from jackfield.worker.engine.table import SequenceTable
from jackfield.worker.inbox import Inbox
from jackfield.worker.stores import NO_STORES, Caching

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.cache_report import CacheCleared, CacheReport
    from jackfield.ports.backend import Runner, RunnerLimits
    from jackfield.ports.observer import EngineStats
    from jackfield.ports.reuse import ReusableRunner
    from jackfield.ports.scheduler import Scheduler, StepPlan
    from jackfield.questions import Sequences

_REPLAN_S: Final = 0.01
"""How long the loop waits for news when sequences exist and the scheduler runs none of them."""

_CHECK_AFTER_S: Final = 1.0
"""How long nothing must have happened before the loop looks whether everything adds up: with tens of thousands of saved
states that takes 0.2 s, for which a request would have to wait."""

_STORE_WAIT_S: Final = 1.0
"""How long a request waits for what a slow store has of its prompt; then that is computed."""

Errand: TypeAlias = "Callable[[], None]"
"""What another thread wants done between two steps."""


class EngineLoop:
    """Steps one runner as its scheduler plans.

    Parameters:
        runner: The loaded model; from here on only this loop's thread calls its ``decode``, ``remove`` and samplers.
        scheduler: Asked once a step.
        flush: Sends the events that recipients were given; called once a step.
        report: Is given an ``EngineStats`` at most every ``REPORT_INTERVAL_S``, and when the loop comes to rest.
        context_shift: Whether an answer goes on at the end of the context.
        caching: Who shares computed prefixes, and stores for them, which are closed when ``run`` ends.

    Attributes:
        slot_states: What slots have computed. For the thread of ``run``; others go through ``with_slots``.

    ``submit``, ``wake``, ``stop``, ``busy_s``, ``sequences``, ``with_slots``, ``cache_report`` and ``cache_clear`` may
    be called by any thread; all else runs in the thread of ``run``.
    """

    def __init__(
        self,
        runner: Runner,
        scheduler: Scheduler,
        flush: Callable[[], None],
        report: Callable[[EngineStats], None],
        *,
        context_shift: bool = False,
        caching: Caching = NO_STORES,
    ) -> None:
        self._limits = runner.limits
        self._scheduler = scheduler
        self._flush = flush
        self._report = report
        self._inbox: Inbox[PreparedRequest | Errand] = Inbox()
        self._arrivals = 0
        self._check_at: float | None = None
        """When to see whether everything adds up, in monotonic seconds; None while nothing has changed."""
        self._cache_off = _why_off(runner.limits, caching)
        # with reuse "none" no sequence has a scope, and nothing that a plain runner has not is called
        self.cache = PrefixCache(cast("ReusableRunner", runner), Tiers(caching.stores, self._run_soon), caching.kept)
        self.table = SequenceTable(runner.limits, self.cache)
        self.slot_states = SlotStates(cast("ReusableRunner", runner), self.cache, self.table.slots)
        self.clock = StepClock()
        self._endings = Endings(self.table, self.clock)
        self._stepper = Stepper(
            runner, self.table, self.clock, self._endings, self.cache, flush, context_shift=context_shift
        )
        self.submit: Callable[[PreparedRequest], None] = self._inbox.submit
        self.wake = self._inbox.wake
        self.stop = self._inbox.stop
        self.busy_s = self.clock.busy_s

    def run(self) -> None:
        """Step until ``stop``; sequences that still run then get an error.

        Raises:
            PluginError: The scheduler or the constraint engine broke its contract; the worker cannot go on.
        """
        wait: float | None = None
        try:
            while self._take_inbox(wait):
                self.clock.begin()
                wait = 0.0 if self._step() else self._rest()
        finally:
            self._abandon()
            self._stepper.close()
            self.cache.close()

    def cache_report(self, answer: Callable[[CacheReport], None]) -> None:
        """Tell *answer* how the prefix cache is, between two steps. Any thread."""
        self._run_soon(
            lambda: answer(
                cache_report(
                    self.cache,
                    off=self._cache_off,
                    kv_tokens=self._limits.kv_tokens,
                    computed_tokens=self.clock.prompt_tokens,
                )
            )
        )

    def cache_clear(self, answer: Callable[[CacheCleared], None]) -> None:
        """Forget all prefixes that nobody reads, between two steps, and tell *answer* how much that was. Any thread."""
        self._run_soon(lambda: answer(clear(self.cache, off=self._cache_off)))

    def sequences(self, answer: Callable[[Sequences], None]) -> None:
        """Tell *answer* what runs and waits, between two steps. Any thread."""
        self._run_soon(lambda: answer(self.table.slots.sequences(self.table)))

    def with_slots(self, work: Callable[[SlotStates], None]) -> None:
        """Have *work*, which raises nothing, done between two steps. Any thread."""
        self._run_soon(lambda: work(self.slot_states))

    def _run_soon(self, errand: Errand) -> None:
        self._inbox.submit(errand)

    def _take_inbox(self, wait: float | None) -> bool:
        """Take in what arrived; False means stop."""
        news = self._inbox.take(wait)
        if news.jobs or news.woken:
            self._check_at = time.monotonic() + _CHECK_AFTER_S
        for job in news.jobs:
            if isinstance(job, PreparedRequest):
                self._admit(job)
            else:
                job()
        if news.woken:
            self._endings.drop_cancelled()
        return not news.stopped

    def _admit(self, request: PreparedRequest) -> None:
        if request.recipient.cancelled:
            for life in request.recipient.lives:
                life.fire(RequestEvent.CANCEL)
            return
        now = time.monotonic()
        for index in range(request.choices):
            self._arrivals += 1
            sequence = Sequence(self._arrivals, request, index, now)
            if not self.cache.works:
                sequence.scope = None
            request.open.append(sequence)
            self.table.add(sequence)
            if request.shown.echo is not None and not sequence.unscored:
                sequence.output.echo(request.shown.echo)
        self._await_slow_stores(request, now)

    def _await_slow_stores(self, request: PreparedRequest, now: float) -> None:
        """Where only a slow store has a good part of the prompt, its answers wait for that, though not for long."""
        slow = self.cache.slow(request.open[0])
        if not slow:
            return
        sequences = tuple(request.open)
        for sequence in sequences:
            self.table.hold(sequence, now + _STORE_WAIT_S)

        def arrived() -> None:
            self.cache.fetched(sequences[0], slow)
            for sequence in sequences:
                self.table.let_go(sequence)

        self.cache.tiers.fetch(slow, arrived)

    def _step(self) -> bool:
        """Plan and compute one step; False if there was nothing to compute."""
        if not len(self.table):
            return False
        plan = self._plan()
        chunks = self.table.resolve(plan)
        for number in plan.preempt:
            self._endings.preempt(next(sequence for sequence in self.table.running if sequence.id == number))
        if not chunks:
            return bool(plan.preempt)
        self.clock.busy_slots += len(chunks)
        self._stepper.step(chunks)
        self._flush()
        self.cache.work()
        self.clock.end()
        self._check_at = time.monotonic() + _CHECK_AFTER_S
        if time.monotonic() - self.clock.last_report >= REPORT_INTERVAL_S:
            self._report_now()
        return True

    def _plan(self) -> StepPlan:
        try:
            return self._scheduler.plan(self.table.view(time.monotonic()))
        except PluginError:
            raise
        except Exception as error:
            raise PluginError(f"the scheduler raised {type(error).__name__}: {error}") from error

    def _rest(self) -> float | None:
        """Nothing to compute; return how long to wait for news."""
        self.clock.rest()
        self._flush()
        if self.cache.saver.busy:
            self.cache.work()
            return 0.0
        self._report_now()
        return _REPLAN_S if len(self.table) else self._check()

    def _check(self) -> float | None:
        """See whether everything adds up, if it is time; return how long to wait for news before the next look."""
        if self._check_at is None:
            return None
        left = self._check_at - time.monotonic()
        if left > 0:
            return left
        self._check_at = None
        self.table.check_integrity()
        return None

    def _abandon(self) -> None:
        for sequence in self.table:
            if not sequence.life.final:
                self._endings.fail(sequence, WorkerDied("the model is being stopped or restarted; try again"))
        self._flush()

    def _report_now(self) -> None:
        self.clock.last_report = time.monotonic()
        self._report(engine_stats(self.clock, self.table, self.cache, self._limits))


def _why_off(limits: RunnerLimits, caching: Caching) -> str:
    """Why nothing is cached, for operators; empty where prefixes may be."""
    if caching.sharing == "off":
        return "prefix_cache is off"
    return "this model cannot use a prefix again" if limits.reuse == "none" else ""
