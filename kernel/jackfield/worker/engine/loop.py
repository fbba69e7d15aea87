"""The engine loop: inbox → plan → step → events, until it is stopped.

Nothing in here blocks but the backend's ``decode`` and, with nothing to do, the inbox.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from jackfield.errors import PluginError, WorkerDied
from jackfield.lifecycle import RequestEvent
from jackfield.worker.engine.clock import REPORT_INTERVAL_S, StepClock
from jackfield.worker.engine.endings import Endings
from jackfield.worker.engine.sequence import PreparedRequest, Sequence
from jackfield.worker.engine.step import Stepper
from jackfield.worker.engine.table import SequenceTable
from jackfield.worker.inbox import Inbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.ports.backend import Runner
    from jackfield.ports.observer import EngineStats
    from jackfield.ports.scheduler import Scheduler, StepPlan

_REPLAN_S: Final = 0.01
"""How long the loop waits for news when sequences exist and the scheduler runs none of them."""


class EngineLoop:
    """Steps one runner as its scheduler plans.

    Parameters:
        runner: The loaded model; from here on only this loop's thread calls its ``decode``, ``remove`` and samplers.
        scheduler: Asked once a step.
        flush: Sends the events that recipients were given; called once a step.
        report: Is given an ``EngineStats`` at most every ``REPORT_INTERVAL_S``, and when the loop comes to rest.
        context_shift: Whether an answer goes on at the end of the context.

    ``submit``, ``wake``, ``stop`` and ``busy_s`` may be called by any thread; all else runs in the thread of ``run``.
    """

    def __init__(
        self,
        runner: Runner,
        scheduler: Scheduler,
        flush: Callable[[], None],
        report: Callable[[EngineStats], None],
        *,
        context_shift: bool = False,
    ) -> None:
        self._limits = runner.limits
        self._scheduler = scheduler
        self._flush = flush
        self._report = report
        self._inbox: Inbox[PreparedRequest] = Inbox()
        self._arrivals = 0
        self.table = SequenceTable(runner.limits)
        self.clock = StepClock()
        self._endings = Endings(runner, self.table, self.clock)
        self._stepper = Stepper(runner, self.table, self.clock, self._endings, context_shift=context_shift)
        self.submit = self._inbox.submit
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

    def _take_inbox(self, wait: float | None) -> bool:
        """Take in what arrived; False means stop."""
        news = self._inbox.take(wait)
        for request in news.jobs:
            self._admit(request)
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
            request.open.append(sequence)
            self.table.add(sequence)
            if request.shown.echo is not None and not sequence.unscored:
                sequence.output.echo(request.shown.echo)

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
        self._stepper.step(chunks)
        self._flush()
        self.clock.end()
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
        self._report_now()
        if len(self.table):
            return _REPLAN_S
        self.table.check_integrity()
        return None

    def _abandon(self) -> None:
        for sequence in self.table:
            if not sequence.life.final:
                self._endings.fail(sequence, WorkerDied("the model is being stopped or restarted; try again"))
        self._flush()

    def _report_now(self) -> None:
        self.clock.last_report = time.monotonic()
        table = self.table
        self._report(
            self.clock.stats(
                running=len(table.running),
                waiting=len(table.waiting),
                kv_used=table.kv_used,
                kv_total=self._limits.kv_tokens,
            )
        )
