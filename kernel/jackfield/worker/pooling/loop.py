"""The loop of a pooled model: inbox → as many inputs as fit → one call → results, until it is stopped.

Inputs are computed in the order they came, whole; between two calls the loop looks who has given up.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

import structlog

from jackfield.channel.messages import RequestFailed
from jackfield.error_record import ErrorRecord
from jackfield.errors import BackendFault, InvalidRequest, WorkerDied
from jackfield.lifecycle import RequestEvent, RequestState
from jackfield.pooled import Pooled
from jackfield.ports.backend import Batch
from jackfield.worker.engine.clock import REPORT_INTERVAL_S, StepClock
from jackfield.worker.inbox import Inbox
from jackfield.worker.pooling.rows import row_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from jackfield.errors import JackfieldError
    from jackfield.ports.backend import RunnerLimits
    from jackfield.ports.observer import EngineStats
    from jackfield.ports.pooled import PooledRunner
    from jackfield.worker.pooling.job import PoolJob

log = structlog.get_logger("jackfield.engine")


class PoolLoop:
    """Computes the inputs of pooled requests.

    Parameters:
        runner: The loaded model; from here on only this loop's thread calls its ``pool`` and ``pooled``.
        flush: Sends the events that recipients were given; called once a call.
        report: Is given an ``EngineStats`` at most every ``REPORT_INTERVAL_S``, and when the loop comes to rest.

    ``submit``, ``wake``, ``stop`` and ``busy_s`` may be called by any thread; all else runs in the thread of ``run``.
    """

    def __init__(self, runner: PooledRunner, flush: Callable[[], None], report: Callable[[EngineStats], None]) -> None:
        self._runner = runner
        self._flush = flush
        self._report = report
        self._labels = runner.info.labels
        self._batch = Batch(runner.limits.max_batch_tokens)
        self._inbox: Inbox[PoolJob] = Inbox()
        self._jobs: deque[PoolJob] = deque()
        self.clock = StepClock()
        self.submit = self._inbox.submit
        self.wake = self._inbox.wake
        self.stop = self._inbox.stop
        self.busy_s = self.clock.busy_s

    def run(self) -> None:
        """Serve until ``stop``; requests that still wait then get an error."""
        wait: float | None = None
        try:
            while self._take_inbox(wait):
                self.clock.begin()
                if self._call():
                    wait = 0.0
                else:
                    wait = None
                    self._rest()
        finally:
            for job in tuple(self._jobs):
                self._fail(job, WorkerDied("the model is being stopped or restarted; try again"))
            self._flush()

    def _take_inbox(self, wait: float | None) -> bool:
        """Take in what arrived; False means stop."""
        news = self._inbox.take(wait)
        self._jobs.extend(news.jobs)
        for job in tuple(self._jobs) if news.woken else news.jobs:
            if job.recipient.cancelled:
                self._end(job, RequestEvent.CANCEL)
        return not news.stopped

    def _call(self) -> bool:
        """Compute one call; False if there was nothing to compute."""
        picked = pick(self._jobs, self._runner.limits)
        if not picked:
            return False
        jobs = list(dict.fromkeys(job for job, _ in picked))
        try:
            self._compute(picked)
        except BackendFault as error:
            log.warning("a call failed", error=error.message, inputs=len(picked))
            self._isolate(jobs, error)
        else:
            self.clock.prompt_tokens += sum(len(tokens) for _, tokens in picked)
            self._collect(picked)
        self._flush()
        self.clock.end()
        if time.monotonic() - self.clock.last_report >= REPORT_INTERVAL_S:
            self._report_now()
        return True

    def _compute(self, picked: list[tuple[PoolJob, list[int]]]) -> None:
        batch = self._batch
        batch.clear()
        for sequence, (job, tokens) in enumerate(picked):
            if job.life.state is RequestState.WAITING:
                job.life.fire(RequestEvent.SCHEDULED)
                job.queue_s = time.monotonic() - job.arrived
            batch.add(sequence, 0, tokens, wants_logits=True, every=True)
        began = time.perf_counter()
        try:
            self._runner.pool(batch)
        finally:
            self.clock.decode_s += time.perf_counter() - began

    def _collect(self, picked: list[tuple[PoolJob, list[int]]]) -> None:
        """Keep the results of a call, and answer the requests that are complete."""
        for sequence, (job, _) in enumerate(picked):
            if job.life.final:  # another of its inputs had no result
                continue
            try:
                job.rows.append(row_of(self._runner.pooled(sequence), job.request))
            except (BackendFault, InvalidRequest) as error:
                self._fail(job, error)
                continue
            if job.complete:
                labels = self._labels if job.request.task == "classify" else ()
                job.recipient.post(Pooled(tuple(job.rows), job.prompt_tokens, labels, job.queue_s))
                self._end(job, RequestEvent.END)

    def _isolate(self, jobs: list[PoolJob], error: BackendFault) -> None:
        """One of *jobs* broke the call. Alone, it is the culprit; else each is computed in calls of its own."""
        if len(jobs) == 1:
            self._fail(jobs[0], error)
        for job in jobs:
            job.suspect = True

    def _fail(self, job: PoolJob, error: JackfieldError) -> None:
        job.recipient.post(RequestFailed(ErrorRecord.of(error)))
        self._end(job, RequestEvent.FAIL)

    def _end(self, job: PoolJob, event: RequestEvent) -> None:
        job.life.fire(event)
        self._jobs.remove(job)

    def _rest(self) -> None:
        """Nothing to compute."""
        self.clock.rest()
        self._flush()
        self._report_now()

    def _report_now(self) -> None:
        self.clock.last_report = time.monotonic()
        running = sum(job.life.state is RequestState.PREFILL for job in self._jobs)
        self._report(self.clock.stats(running=running, waiting=len(self._jobs) - running, kv_used=0, kv_total=0))


def pick(jobs: Iterable[PoolJob], limits: RunnerLimits) -> list[tuple[PoolJob, list[int]]]:
    """The inputs of the next call: the oldest, as long as they fit. A suspect job shares its calls with nobody."""
    picked: list[tuple[PoolJob, list[int]]] = []
    room = limits.max_batch_tokens
    for job in jobs:
        if picked and job.suspect:
            break
        for tokens in job.inputs[len(job.rows) :]:
            if len(tokens) > room or len(picked) == limits.max_sequences:
                return picked
            picked.append((job, tokens))
            room -= len(tokens)
        if job.suspect:
            break
    return picked
