"""What the engine says of how long a newcomer would wait."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from jackfield.ports.backend import RunnerLimits
from jackfield.ports.observer import CacheStats
from jackfield.worker.engine import figures
from jackfield.worker.engine.clock import StepClock
from jackfield.worker.engine.figures import engine_stats

if TYPE_CHECKING:
    from jackfield.worker.engine.prefix.cache import PrefixCache
    from jackfield.worker.engine.table import SequenceTable

LIMITS = RunnerLimits(context=64, max_sequences=2, kv_tokens=128, max_batch_tokens=32)
STEP_S, TOKEN_S = 0.01, 0.001


@pytest.fixture(autouse=True)
def no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache's own figures are not looked at."""
    monkeypatch.setattr(figures, "cache_stats", lambda _: CacheStats())


def running(generated: int, max_tokens: int = 100, prompt: int = 5, computed: int = 5) -> SimpleNamespace:
    """A sequence that holds a slot."""
    request = SimpleNamespace(ends=SimpleNamespace(max_tokens=max_tokens))
    return SimpleNamespace(generated=generated, prompt_cells=prompt, computed=computed, request=request)


def wait_s(held: list[SimpleNamespace], *pending: int, answers: tuple[int, ...] = ()) -> float:
    """The figure, where *pending* tokens wait and earlier *answers* were so long."""
    clock = StepClock()
    for tokens in answers:
        clock.answered(tokens)
    waiting = [SimpleNamespace(pending=tokens) for tokens in pending]
    table = SimpleNamespace(running=held, waiting=waiting, held=[])
    costs = SimpleNamespace(step_s=lambda _rows, _cells: STEP_S)
    cells = SimpleNamespace(busy=0, used=0)
    cache = SimpleNamespace(token_s=lambda: TOKEN_S, costs=costs, cells=cells)
    return engine_stats(clock, cast("SequenceTable", table), cast("PrefixCache", cache), LIMITS).wait_s


def test_nobody_waits_where_nothing_runs() -> None:
    """An idle worker."""
    assert wait_s([]) == 0
    assert wait_s([running(3)], answers=(50,)) == 0


def test_prompts_before_it_are_computed_first() -> None:
    """What is left of those that run, and those that wait."""
    assert wait_s([running(0, prompt=300, computed=100)]) == pytest.approx(200 * TOKEN_S)
    assert wait_s([running(0, prompt=300, computed=100)], 400) == pytest.approx(600 * TOKEN_S)


@pytest.mark.parametrize(
    ("waiting", "expected"),
    [(0, 10), (1, 30), (2, 40 + 10), (3, 40 + 30), (4, 80 + 10)],
)
def test_slots_are_free_when_answers_have_ended(waiting: int, expected: int) -> None:
    """Answers had 40 tokens lately; one that runs has 30 of them, the other 10."""
    figure = wait_s([running(30), running(10)], *[0] * waiting, answers=(40, 40))
    assert figure == pytest.approx(expected * STEP_S)


@pytest.mark.parametrize(("waiting", "expected"), [(0, 0), (1, 30), (2, 40), (3, 40 + 30)])
def test_who_waits_gets_free_slots_first(waiting: int, expected: int) -> None:
    """Of two slots one is free."""
    figure = wait_s([running(10)], *[0] * waiting, answers=(40,))
    assert figure == pytest.approx(expected * STEP_S)


def test_an_answer_may_be_no_longer_than_its_limit() -> None:
    """However long others were."""
    assert wait_s([running(30, max_tokens=32), running(10)], answers=(1000,)) == pytest.approx(2 * STEP_S)


def test_longer_answers_than_usual_may_end_any_time() -> None:
    """Nobody knows when; and before any answer has ended, nobody knows how long they are."""
    assert wait_s([running(90), running(90)], answers=(40,)) == 0
    assert wait_s([running(3), running(4)]) == 0


def test_the_length_of_answers_follows_the_latest() -> None:
    """About ten of them count."""
    figure = wait_s([running(0), running(0)], answers=(1000, *[50] * 40))
    assert figure == pytest.approx(50 * STEP_S, rel=0.01)
