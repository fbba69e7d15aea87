"""llama-server's words for where the time went and how far a prompt is."""

from __future__ import annotations

import msgspec

from jackfield.frontends.llama_server import Progress, Timings, progress_object, timings_object, timings_of
from jackfield.types import Finished, PromptProgress, Usage
from jackfield.types import Timings as Took


def test_where_the_time_went() -> None:
    """In milliseconds and tokens a second; what was cached took none."""
    finished = Finished("stop", Usage(12, 5, cached_tokens=4), Took(queue_s=9, prefill_s=0.5, decode_s=2))
    assert msgspec.convert(timings_object(finished), Timings) == Timings(
        cache_n=4,
        prompt_n=8,
        prompt_ms=500,
        prompt_per_token_ms=62.5,
        prompt_per_second=16,
        predicted_n=5,
        predicted_ms=2000,
        predicted_per_token_ms=400,
        predicted_per_second=2.5,
    )


def test_nothing_and_no_time_are_nought() -> None:
    """JSON has no infinity."""
    assert set(timings_of(0, (0, 0.0), (0, 0.0)).values()) == {0}


def test_how_far_a_prompt_is() -> None:
    """Whole milliseconds that are over, as there."""
    assert msgspec.convert(progress_object(PromptProgress(7, 2, 4, 0.0129)), Progress) == Progress(7, 2, 4, 12)
