"""The engine loop: inbox → plan → batch → decode → sample → events, once per step.

Nothing in here blocks but the backend's ``decode`` and, with nothing to do, the inbox.
"""

from __future__ import annotations

import queue
import time
from typing import TYPE_CHECKING, Final

import structlog

from jackfield.channel.messages import RequestFailed
from jackfield.errors import BackendFault, ErrorRecord, InternalError, JackfieldError, KVExhausted, PluginError
from jackfield.lifecycle import RequestEvent, RequestState
from jackfield.ports.backend import Batch
from jackfield.types import Finished, FinishReason, TextDelta, Timings, Usage
from jackfield.worker.engine.clock import REPORT_INTERVAL_S, StepClock
from jackfield.worker.engine.sequence import NO_SLOT, PreparedRequest, Sequence
from jackfield.worker.engine.table import SequenceTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.ports.backend import Runner
    from jackfield.ports.observer import EngineStats
    from jackfield.ports.scheduler import Scheduler, StepPlan

log = structlog.get_logger("jackfield.engine")

_REPLAN_S: Final = 0.01
"""How long the loop waits for news when sequences exist and the scheduler runs none of them."""


class _Wake:
    """Look at the sequences' recipients: one of them was cancelled."""


class _Stop:
    """End the loop."""


_Inbox = queue.SimpleQueue[PreparedRequest | _Wake | _Stop]


class EngineLoop:
    """Steps one runner as its scheduler plans.

    Parameters:
        runner: The loaded model; from here on only this loop's thread calls its ``decode``, ``remove`` and samplers.
        scheduler: Asked once a step.
        flush: Sends the events that recipients were given; called once a step.
        report: Is given an ``EngineStats`` at most every ``REPORT_INTERVAL_S``, and when the loop comes to rest.

    ``submit``, ``wake``, ``stop`` and ``busy_s`` may be called by any thread; all else runs in the thread of ``run``.
    """

    def __init__(
        self, runner: Runner, scheduler: Scheduler, flush: Callable[[], None], report: Callable[[EngineStats], None]
    ) -> None:
        self._runner = runner
        self._scheduler = scheduler
        self._flush = flush
        self._report = report
        self._tokenizer = runner.tokenizer
        self._end_tokens = runner.tokenizer.end_tokens
        self._batch = Batch(runner.limits.max_batch_tokens)
        self._inbox: _Inbox = queue.SimpleQueue()
        self._arrivals = 0
        self.table = SequenceTable(runner.limits)
        self.clock = StepClock()

    def submit(self, request: PreparedRequest) -> None:
        """Queue a request."""
        self._inbox.put(request)

    def wake(self) -> None:
        """Tell the loop that a recipient's ``cancelled`` was set."""
        self._inbox.put(_Wake())

    def stop(self) -> None:
        """End ``run`` after the present step; sequences that still run get an error."""
        self._inbox.put(_Stop())

    def busy_s(self) -> float:
        """How long the present step has been running, in seconds; 0 while idle."""
        return self.clock.busy_s()

    def run(self) -> None:
        """Step until ``stop``.

        Raises:
            PluginError: The scheduler broke its contract; the worker cannot go on.
        """
        wait: float | None = None
        try:
            while self._take_inbox(wait):
                self.clock.begin()
                wait = 0.0 if self._step() else self._rest()
        finally:
            self._abandon()

    # --- one turn ----------------------------------------------------------------------------------------------------

    def _take_inbox(self, wait: float | None) -> bool:
        """Take in what arrived, waiting *wait* seconds (None: for ever) for the first; False means stop."""
        try:
            item = self._inbox.get_nowait() if wait == 0.0 else self._inbox.get(timeout=wait)
            while True:
                if isinstance(item, _Stop):
                    return False
                if isinstance(item, PreparedRequest):
                    self._admit(item)
                else:
                    self._drop_cancelled()
                item = self._inbox.get_nowait()
        except queue.Empty:
            return True

    def _admit(self, request: PreparedRequest) -> None:
        if request.recipient.cancelled:
            request.recipient.life.fire(RequestEvent.CANCEL)
            return
        self._arrivals += 1
        self.table.add(Sequence(self._arrivals, request, time.monotonic()))

    def _drop_cancelled(self) -> None:
        for sequence in self.table:
            if sequence.request.recipient.cancelled:
                sequence.life.fire(RequestEvent.CANCEL)
                self._forget(sequence)

    def _step(self) -> bool:
        """Plan and compute one step; False if there was nothing to compute."""
        if not len(self.table):
            return False
        plan = self._plan()
        chunks = self.table.resolve(plan)
        for number in plan.preempt:
            self._preempt(next(sequence for sequence in self.table.running if sequence.id == number))
        if not chunks:
            return bool(plan.preempt)
        for group in _isolated(chunks):
            rows = self._fill(group)
            if self._decode(group):
                self._sample(group, rows)
        self._flush()
        self.clock.end()
        self._report_if_due()
        return True

    def _plan(self) -> StepPlan:
        try:
            return self._scheduler.plan(self.table.view(time.monotonic()))
        except Exception as error:
            raise PluginError(f"the scheduler raised {type(error).__name__}: {error}") from error

    def _fill(self, chunks: list[tuple[Sequence, int]]) -> list[int]:
        """Write the step's rows; return each chunk's last row."""
        batch = self._batch
        batch.clear()
        rows: list[int] = []
        now = time.monotonic()
        for sequence, count in chunks:
            if sequence.slot == NO_SLOT:
                self.table.start(sequence, now)
            done = sequence.computed
            rows.append(
                batch.add(
                    sequence.slot,
                    done,
                    sequence.tokens[done : done + count],
                    wants_logits=count == sequence.pending,
                )
            )
        return rows

    def _decode(self, chunks: list[tuple[Sequence, int]]) -> bool:
        """Compute the batch; False if it failed and the sequences were dealt with."""
        began = time.perf_counter()
        try:
            self._runner.decode(self._batch)
        except KVExhausted:
            self._relieve()
            return False
        except BackendFault as error:
            log.warning("decode failed", error=error.message, sequences=len(chunks))
            self._isolate(chunks, error)
            return False
        finally:
            self.clock.decode_s += time.perf_counter() - began
        for sequence, count in chunks:
            self.clock.prompt_tokens += max(0, min(sequence.prompt_tokens - sequence.computed, count))
            self.table.grow(sequence, count)
        return True

    def _sample(self, chunks: list[tuple[Sequence, int]], rows: list[int]) -> None:
        clock = self.clock
        for (sequence, _), row in zip(chunks, rows, strict=True):
            if sequence.pending:
                continue
            began = time.perf_counter()
            sampler = sequence.sampler
            try:
                if sampler is None:
                    request = sequence.request
                    sampler = self._runner.sampler(request.sampling, banned=request.banned)
                    sequence.sampler = sampler
                token = sampler.sample(row)
            except BackendFault as error:
                self._fail(sequence, error)
                continue
            finally:
                clock.sampler_s += time.perf_counter() - began
            clock.generated_tokens += 1
            sequence.suspect = False
            self._advance(sequence, token)

    def _advance(self, sequence: Sequence, token: int) -> None:
        """*token* was drawn: show its text, and end the sequence where it ends."""
        if sequence.life.state is RequestState.PREFILL:
            sequence.life.fire(RequestEvent.PROMPT_DONE)
            if sequence.first_token is None:
                sequence.first_token = time.monotonic()
        sequence.tokens.append(token)
        stream = sequence.request.text
        if token in self._end_tokens and token not in sequence.request.banned:
            stream.tokens += 1
            self._finish(sequence, "stop", stream.flush())
            return
        text, stopped = stream.feed(self._tokenizer.piece(token))
        if stopped:
            self._finish(sequence, "stop", text)
        elif len(sequence.tokens) >= sequence.limit:
            self._finish(sequence, "length", text + stream.flush())
        elif text:
            sequence.request.recipient.post(TextDelta(text, stream.take_tokens()))

    # --- ends --------------------------------------------------------------------------------------------------------

    def _finish(self, sequence: Sequence, reason: FinishReason, text: str) -> None:
        recipient = sequence.request.recipient
        if text:
            recipient.post(TextDelta(text, sequence.request.text.take_tokens()))
        recipient.post(Finished(reason, Usage(sequence.prompt_tokens, sequence.generated), _timings(sequence)))
        sequence.life.fire(RequestEvent.END)
        self._forget(sequence)

    def _fail(self, sequence: Sequence, error: JackfieldError) -> None:
        sequence.request.recipient.post(RequestFailed(ErrorRecord.of(error)))
        sequence.life.fire(RequestEvent.FAIL)
        self._forget(sequence)

    def _forget(self, sequence: Sequence) -> None:
        if sequence.slot != NO_SLOT:
            self._runner.remove(sequence.slot)
        if sequence.sampler is not None:
            sequence.sampler.close()
        self.table.remove(sequence)

    def _preempt(self, sequence: Sequence) -> None:
        self._runner.remove(sequence.slot)
        self.table.preempt(sequence)
        self.clock.preemptions += 1

    def _isolate(self, chunks: list[tuple[Sequence, int]], error: BackendFault) -> None:
        """One of *chunks* broke the step. Alone, it is the culprit; else each is computed anew in a call of its own."""
        for sequence, _ in chunks:
            if len(chunks) == 1:
                self._fail(sequence, error)
            else:
                sequence.suspect = True
                self._preempt(sequence)

    def _relieve(self) -> None:
        """The pool was full although it should not have been: make room by preempting the youngest."""
        youngest = max(self.table.running, key=lambda sequence: sequence.id)
        if len(self.table.running) > 1:
            self._preempt(youngest)
        else:
            self._fail(youngest, KVExhausted("the KV pool cannot hold this request alone"))

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
            self._fail(sequence, InternalError("the model is being stopped"))
        self._flush()

    def _report_if_due(self) -> None:
        if time.monotonic() - self.clock.last_report >= REPORT_INTERVAL_S:
            self._report_now()

    def _report_now(self) -> None:
        self.clock.last_report = time.monotonic()
        table = self.table
        self._report(
            self.clock.stats(
                running=len(table.running),
                waiting=len(table.waiting),
                kv_used=table.kv_used,
                kv_total=self._runner.limits.kv_tokens,
            )
        )


def _isolated(chunks: list[tuple[Sequence, int]]) -> list[list[tuple[Sequence, int]]]:
    """The backend calls of a step: one for all, and one for each sequence that was in a call that failed."""
    shared = [chunk for chunk in chunks if not chunk[0].suspect]
    alone = [[chunk] for chunk in chunks if chunk[0].suspect]
    return [shared, *alone] if shared else alone


def _timings(sequence: Sequence) -> Timings:
    now = time.monotonic()
    started = now if sequence.started is None else sequence.started
    first = now if sequence.first_token is None else sequence.first_token
    return Timings(queue_s=started - sequence.arrived, prefill_s=first - started, decode_s=now - first)
