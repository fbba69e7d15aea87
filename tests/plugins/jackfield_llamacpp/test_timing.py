"""Where the time of an answer goes while it is made."""

from __future__ import annotations

from jackfield.types import PromptProgress
from jackfield_llamacpp.timing import Pace


def test_prompt_and_answer_are_told_apart() -> None:
    """The prompt's time begins when it begins to be computed, and ends with the first token."""
    pace = Pace()
    pace.prompt(PromptProgress(10, 4, 7, 2.0), 100.0)
    pace.prompt(PromptProgress(10, 4, 10, 3.0), 101.0)
    before = pace.timings(0, 101.5)
    assert (before["cache_n"], before["prompt_n"], before["prompt_ms"], before["predicted_ms"]) == (4, 6, 3500, 0)
    first = pace.timings(1, 102.0)
    assert (first["prompt_ms"], first["predicted_n"], first["predicted_ms"]) == (4000, 1, 0)
    later = pace.timings(3, 104.0)
    assert (later["prompt_ms"], later["predicted_n"], later["predicted_ms"]) == (4000, 3, 2000)
    assert later["predicted_per_second"] == 1.5
