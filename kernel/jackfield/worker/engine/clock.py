"""Where a step's time goes: the backend's decode, the samplers, waiting for masks, and the loop's own share."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from jackfield.ports.observer import EngineStats

if TYPE_CHECKING:
    from jackfield.types import Timings

_NEWEST: Final = 0.2
"""Weight of the newest answer in the moving average of lengths: about the last ten count."""

REPORT_INTERVAL_S: Final = 0.25
"""Gauges four times a second are fresh enough to watch and cost nothing beside a step."""


class StepClock:
    """Counters of the engine loop since the worker started; its thread writes them, any may read ``busy_s``."""

    __slots__ = (
        "_began",
        "answer_tokens",
        "busy_slots",
        "decode_s",
        "drawing_s",
        "generated_tokens",
        "last_report",
        "longest",
        "mask_s",
        "preemptions",
        "prefill_s",
        "prompt_tokens",
        "sampler_s",
        "step_s",
        "steps",
    )

    def __init__(self) -> None:
        self._began = 0.0
        self.steps = 0
        self.step_s = 0.0
        self.decode_s = 0.0
        self.sampler_s = 0.0
        self.mask_s = 0.0
        self.prompt_tokens = 0
        self.generated_tokens = 0
        self.preemptions = 0
        self.last_report = 0.0
        self.prefill_s = 0.0
        """Of answers that ended, until their first token, added up."""
        self.drawing_s = 0.0
        """Of answers that ended, from their first token on, added up."""
        self.busy_slots = 0
        """Sequences of each step, added up."""
        self.longest = 0
        """Tokens of the longest sequence that ended."""
        self.answer_tokens = 0.0
        """Length of an answer, as it was lately; 0 before any ended."""

    def begin(self) -> None:
        """A turn of the loop begins."""
        self._began = time.perf_counter()

    def end(self) -> None:
        """The turn was a step."""
        self.steps += 1
        self.step_s += time.perf_counter() - self._began
        self._began = 0.0

    def rest(self) -> None:
        """The turn found nothing to do, and does not count."""
        self._began = 0.0

    def took(self, length: int, timings: Timings) -> None:
        """A sequence of so many tokens, prompt and answer, ended by itself."""
        self.prefill_s += timings.prefill_s
        self.drawing_s += timings.decode_s
        self.longest = max(self.longest, length)

    def answered(self, tokens: int) -> None:
        """An answer of so many tokens ended by itself."""
        before = self.answer_tokens
        self.answer_tokens = before + _NEWEST * (tokens - before) if before else float(tokens)

    def busy_s(self) -> float:
        """How long the present turn has been running, in seconds; 0 while the loop rests."""
        began = self._began
        return time.perf_counter() - began if began else 0.0

    def stats(self, *, running: int, waiting: int, kv_used: int, kv_total: int) -> EngineStats:
        """The counters, with the gauges of this moment."""
        return EngineStats(
            running=running,
            waiting=waiting,
            kv_used=kv_used,
            kv_total=kv_total,
            steps=self.steps,
            prompt_tokens=self.prompt_tokens,
            generated_tokens=self.generated_tokens,
            preemptions=self.preemptions,
            step_s=self.step_s,
            own_s=max(0.0, self.step_s - self.decode_s - self.sampler_s - self.mask_s),
            sampler_s=self.sampler_s,
            mask_s=self.mask_s,
            prefill_s=self.prefill_s,
            decode_s=self.drawing_s,
            busy_slots=self.busy_slots,
            longest=self.longest,
        )
