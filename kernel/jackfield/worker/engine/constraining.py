"""Constrained answers in the batch: masks of a step are made while the backend computes it."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING, Final, TypeAlias

from jackfield.errors import BackendFault, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    import numpy.typing as npt

    from jackfield.ports.backend import Runner
    from jackfield.ports.constraint import Matcher
    from jackfield.sampling import SamplingParams
    from jackfield.worker.engine.clock import StepClock
    from jackfield.worker.engine.sequence import Sequence
    from jackfield.worker.engine.thoughts import ThinkingMatcher

_BITS: Final = 32
"""Tokens in a word of a mask."""

Failures: TypeAlias = "dict[int, Exception]"
"""What matchers raised, by the place of their mask."""


def forcing(sampling: SamplingParams) -> bool:
    """Whether tokens may be taken over that the sampler never sees: not where what was drawn bears on the next draw."""
    return not (
        sampling.repeat_penalty != 1
        or sampling.presence_penalty
        or sampling.frequency_penalty
        or sampling.dry_multiplier
        or sampling.mirostat
    )


class Masks:
    """Which tokens the constrained answers of a call may draw.

    A thread of its own makes them while the backend computes the call's rows. It starts with the first constrained
    answer: a worker that serves none pays nothing.

    Parameters:
        runner: Says how many rows are needed, and how long they are.
        clock: Counts the time that the loop waited.

    Engine loop thread.
    """

    def __init__(self, runner: Runner, clock: StepClock) -> None:
        self._sequences = runner.limits.max_sequences
        self._vocabulary = runner.tokenizer.vocabulary
        self._end_tokens = runner.tokenizer.end_tokens
        self._clock = clock
        self._jobs: queue.SimpleQueue[list[Matcher | ThinkingMatcher] | None] = queue.SimpleQueue()
        self._outcomes: queue.SimpleQueue[Failures] = queue.SimpleQueue()
        self._places: dict[int, int] = {}
        self._failures: Failures = {}
        self._rows: npt.NDArray[np.uint32] | None = None
        self._thread: threading.Thread | None = None
        self._under_way = False

    def begin(self, chunks: Iterable[tuple[Sequence, int]]) -> None:
        """Begin with the masks of those that will draw in the call that computes *chunks*."""
        jobs = {
            sequence.id: sequence.matcher
            for sequence, count in chunks
            if sequence.matcher is not None
            and sequence.masked
            and count == sequence.pending
            and sequence.request.ends.max_tokens
        }
        if jobs:
            if self._thread is None:
                self._start()
            self._places = {number: place for place, number in enumerate(jobs)}
            self._under_way = True
            self._jobs.put(list(jobs.values()))

    def wait(self) -> None:
        """Wait for the masks that ``begin`` asked for.

        Raises:
            PluginError: The constraint engine broke its contract.
        """
        if not self._under_way:
            return
        began = time.perf_counter()
        self._failures = self._outcomes.get()
        self._clock.mask_s += time.perf_counter() - began
        self._under_way = False
        for error in self._failures.values():
            if not isinstance(error, BackendFault | InvalidRequest):
                raise error

    def of(self, sequence: Sequence) -> npt.NDArray[np.uint32]:
        """The mask of *sequence*, until the next call.

        Raises:
            BackendFault: Its matcher could not make one; InvalidRequest where that is the constraint's fault.
        """
        error = self._failures.get(self._places[sequence.id])
        if error is not None:
            raise error
        return self._row(sequence)

    def may_end(self, sequence: Sequence) -> bool:
        """Whether the mask of *sequence* allows an end token: its text is complete as it stands."""
        mask = self._row(sequence)
        return any(mask[token // _BITS] >> (token % _BITS) & 1 for token in self._end_tokens)

    def close(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None

    def _start(self) -> None:
        import numpy as np  # a worker has it through its backend's extra; the kernel does not depend on it

        self._rows = np.zeros((self._sequences, -(-self._vocabulary // _BITS)), np.uint32)
        self._thread = threading.Thread(target=self._run, args=(self._rows,), name="masks", daemon=True)
        self._thread.start()

    def _row(self, sequence: Sequence) -> npt.NDArray[np.uint32]:
        if self._rows is None:
            raise RuntimeError("no mask was begun")
        row: npt.NDArray[np.uint32] = self._rows[self._places[sequence.id]]
        return row

    def _run(self, rows: npt.NDArray[np.uint32]) -> None:
        """The mask thread."""
        while (jobs := self._jobs.get()) is not None:
            failures: Failures = {}
            for place, matcher in enumerate(jobs):
                try:
                    matcher.mask(rows[place])
                except Exception as error:  # noqa: BLE001 - raised again in the loop's thread, which waits for it
                    failures[place] = error
            self._outcomes.put(failures)
