"""How sequences leave the engine, for good or until there is room again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from jackfield.channel.messages import RequestFailed
from jackfield.error_record import ErrorRecord
from jackfield.lifecycle import RequestEvent
from jackfield.types import Finished, Timings, Usage

if TYPE_CHECKING:
    from jackfield.errors import JackfieldError
    from jackfield.types import FinishReason
    from jackfield.worker.engine.clock import StepClock
    from jackfield.worker.engine.sequence import Sequence
    from jackfield.worker.engine.table import SequenceTable


class Endings:
    """Ends sequences and gives back what they hold. Engine loop thread.

    Parameters:
        table: Has their slots and cells.
        clock: Counts preemptions, and learns how long answers are.
    """

    def __init__(self, table: SequenceTable, clock: StepClock) -> None:
        self._table = table
        self._clock = clock

    def finish(self, sequence: Sequence, reason: FinishReason, stopped_by: int | str | None = None) -> None:
        """The answer is complete, and all of its text was shown."""
        request = sequence.request
        usage = Usage(len(request.prompt), sequence.generated, request.cached or 0)
        # a stop string takes its tokens' text away, and with it what is known of them
        logprobs = () if isinstance(stopped_by, str) else sequence.output.left()
        timings, slot = _timings(sequence), self._table.slots.of(sequence)
        request.recipient.post(Finished(reason, usage, timings, sequence.index, stopped_by, logprobs, slot))
        self._clock.answered(sequence.generated)
        self._clock.took(len(sequence.tokens), timings)
        self._end(sequence, RequestEvent.END)

    def fail(self, sequence: Sequence, error: JackfieldError) -> None:
        """The request of *sequence* ends with *error*, and so do all of its answers."""
        request = sequence.request
        request.recipient.post(RequestFailed(ErrorRecord.of(error)))
        for each in tuple(request.open):
            self._end(each, RequestEvent.FAIL)

    def drop_cancelled(self) -> None:
        """End every sequence that nobody waits for any more, without a word."""
        for sequence in self._table:
            if sequence.request.recipient.cancelled:
                self._end(sequence, RequestEvent.CANCEL)

    def preempt(self, sequence: Sequence) -> None:
        """Take slot and cells back; the sequence waits, and goes on from what the prefix cache then has of it."""
        self._table.preempt(sequence)
        self._clock.preemptions += 1

    def _end(self, sequence: Sequence, event: RequestEvent) -> None:
        sequence.life.fire(event)
        if sequence.sampler is not None:
            sequence.sampler.close()
        self._table.remove(sequence, leave=event is not RequestEvent.FAIL)
        sequence.request.open.remove(sequence)


def _timings(sequence: Sequence) -> Timings:
    now = time.monotonic()
    started = now if sequence.started is None else sequence.started
    first = now if sequence.first_token is None else sequence.first_token
    return Timings(queue_s=started - sequence.arrived, prefill_s=first - started, decode_s=now - first)
