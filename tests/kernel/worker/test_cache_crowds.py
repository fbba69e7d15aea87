"""The prefix cache where there is hardly room: pools for one request, one slot, as many answers as there are ids.

Over real models of every kind; every answer is compared with one that was computed alone and without a cache.
"""

from __future__ import annotations

import random
from itertools import count
from typing import TYPE_CHECKING

import pytest
from tests.kernel.worker.engines import MODELS, Engine, Unsteady, load, question, require_same
from tests.kernel.worker.stores import DictStore

from jackfield.errors import BackendFault, KVExhausted
from jackfield.ports.scheduler import StepPlan
from jackfield.worker.engine.prefix.cache import PrefixCache
from jackfield_fcfs.scheduler import FcfsScheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.kernel.worker.engines import Asker

    from jackfield.ports.backend import Batch, Runner
    from jackfield.ports.scheduler import Scheduler, SchedulerView
    from jackfield.types import GenerateRequest

CONTEXT = 256
TEXT = "the studio has a panel of sockets that every device is plugged into and a list of who may plug"
WORDS = TEXT.split()
WORDS = [
    "the",
    "studio",
    "has",
    "a",
    "panel",
    "of",
    "sockets",
    "that",
    "every",
    "device",
    "is",
    "plugged",
    "into",
    "and",
    "a",
    "list",
    "of",
    "who",
    "may",
    "plug",
]
TEXT = " ".join(WORDS)


@pytest.fixture(autouse=True)
def _restoring_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models this small compute about as fast as they are restored: what was measured would decide by chance."""
    monkeypatch.setattr(PrefixCache, "_worth", lambda *_: True)


@pytest.fixture(scope="module", params=MODELS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each of ``MODELS``."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def runner(kind: str) -> Iterator[Runner]:
    """It, with cells for one request only, where it does not decide that itself, and many steps for a prompt."""
    loaded = load(kind, context=CONTEXT, cells=CONTEXT, batch=64)
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def alone(kind: str) -> Iterator[Callable[[GenerateRequest], Asker]]:
    """Computes an answer on a model that nobody else uses."""
    loaded = load(kind, context=CONTEXT, cells=CONTEXT, batch=64)
    known: dict[tuple[str, int], Asker] = {}

    def ask(asked: GenerateRequest) -> Asker:
        key = str(asked.prompt), asked.max_tokens or 0
        if key not in known:
            with Engine(loaded) as engine:
                (known[key],) = engine.ask(question(asked.prompt.text, cached=False, tokens=key[1]))  # type: ignore[union-attr]
        return known[key]

    yield ask
    loaded.close()


def _conversations(draw: random.Random) -> list[list[GenerateRequest]]:
    """Rounds of requests that begin alike, or go on where others ended."""
    texts: list[str] = []
    rounds = []
    for _ in range(8):
        asked = []
        for _ in range(draw.randint(1, 6)):
            text = " ".join(WORDS[: draw.choice([3, 6, 19])] * 2 + draw.choices(WORDS, k=draw.randint(0, 12)))
            if texts and draw.random() < 0.5:
                text = f"{draw.choice(texts)[:300]} and {draw.choice(WORDS)}"
            texts.append(text)
            asked.append(question(text, tokens=draw.randint(1, 20)))
        rounds.append(asked)
    return rounds


@pytest.mark.parametrize("seed", range(4))
def test_answers_are_the_same_in_a_pool_of_one_request(
    runner: Runner, alone: Callable[[GenerateRequest], Asker], seed: int
) -> None:
    """Preempted, evicted, saved and restored all the time."""
    draw = random.Random(seed)
    stores = [{}, {"quick": DictStore()}, {"slow": DictStore(blocking=True)}, {"few": DictStore(limit=3)}][seed]
    with Engine(runner, Unsteady() if seed % 2 else None, stores) as engine:
        for asked in _conversations(draw):
            for given, each in zip(engine.ask(*asked), asked, strict=True):
                require_same(runner, given.scores, alone(each).scores)
        assert bool(engine.loop.cache.counters.hits) is (runner.limits.reuse != "none")


def test_a_model_with_one_slot_goes_on_with_a_conversation(
    kind: str, alone: Callable[[GenerateRequest], Asker]
) -> None:
    """There is no second sequence id to copy to, or no room beside: the one that is there runs on."""
    runner = load(kind, context=CONTEXT, cells=CONTEXT, sequences=1)
    with Engine(runner) as engine:
        text = TEXT
        for turn in range(4):
            asked = question(text)
            (given,) = engine.ask(asked)
            require_same(runner, given.scores, alone(asked).scores)
            assert (given.cached > 0) is (turn > 0 and runner.limits.reuse != "none")
            if turn < 2:  # the last question is asked twice
                text += given.text + " and then?"
    runner.close()


def test_who_waits_for_a_prompt_that_is_cancelled_computes_the_rest(
    runner: Runner, alone: Callable[[GenerateRequest], Asker]
) -> None:
    """From where that one got to; nobody waits for ever, and nobody gets cells of what was not computed."""
    asked = [question(f"{TEXT} {TEXT} {TEXT} {TEXT} {tail}") for tail in ("Who?", "Which?", "When?")]
    with Engine(runner) as engine:
        first, *others = engine.submit(*asked)
        engine.between_steps(lambda: setattr(first, "cancelled", True))
        engine.loop.wake()
        for given, each in zip(others, asked[1:], strict=True):
            assert given.ended.wait(60)
            require_same(runner, given.scores, alone(each).scores)


def test_a_failed_step_hurts_nobody_who_shares_its_cells(
    runner: Runner, alone: Callable[[GenerateRequest], Asker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that were in it are computed anew, alone; what they shared stays right for all others."""
    asked = [question(f"{TEXT} {tail}", tokens=20) for tail in ("Who?", "Which?", "When?", "Why?")]
    decode, shared = runner.decode, count()

    def stumble(batch: Batch) -> None:
        alone = len({*batch.sequence[: batch.rows].tolist()}) == 1
        number = None if alone else next(shared)
        if number in (1, 4):
            raise KVExhausted("by chance")
        decode(batch)
        if number in (2, 9):
            raise BackendFault("by chance")

    with Engine(runner) as engine:
        monkeypatch.setattr(runner, "decode", stumble)
        answers = engine.ask(*asked)
        monkeypatch.undo()
        again = engine.ask(*asked)
    for given, each in zip([*answers, *again], [*asked, *asked], strict=True):
        require_same(runner, given.scores, alone(each).scores)


def test_many_answers_to_one_prompt_are_all_its_own(kind: str, alone: Callable[[GenerateRequest], Asker]) -> None:
    """128 at once, with cells for a few; the prompt is computed once, where it can be shared."""
    runner = load(kind, context=CONTEXT, sequences=128, cells=2 * CONTEXT)
    asked = question(f"{TEXT} {TEXT}", tokens=4)
    with Engine(runner) as engine:
        (given,) = engine.ask(question(f"{TEXT} {TEXT}", tokens=4, choices=128))
        computed = engine.loop.clock.prompt_tokens
    expected = alone(asked).scores
    for index in range(128):
        require_same(runner, given.scores_of(index), expected)
    prompt = given.ends[0].usage.prompt_tokens
    assert {end.usage.cached_tokens for end in given.ends.values()} == {0}
    if runner.limits.reuse == "ranges":
        assert computed == prompt + 127
    runner.close()


class _LastFirst:
    """Of those that may start, the youngest does."""

    def __init__(self) -> None:
        self._inner = FcfsScheduler(None)

    def plan(self, view: SchedulerView) -> StepPlan:
        """As fcfs, in the other order."""
        planned = self._inner.plan(view)
        return StepPlan([*reversed(planned.chunks)], planned.preempt)


@pytest.mark.parametrize("scheduler", [FcfsScheduler(None), _LastFirst()], ids=["fcfs", "last first"])
def test_what_was_cached_is_what_the_first_of_several_answers_found(scheduler: Scheduler) -> None:
    """Whichever that is: all of them say the same, and what the others find of it does not count."""
    runner = load("base", context=CONTEXT)
    with Engine(runner, scheduler) as engine:
        (first,) = engine.ask(question(TEXT, tokens=4, choices=3))
        (again,) = engine.ask(question(TEXT, tokens=4, choices=3))
    runner.close()
    prompt = again.ends[0].usage.prompt_tokens
    assert [first.ends[index].usage.cached_tokens for index in range(3)] == [0] * 3
    assert [again.ends[index].usage.cached_tokens for index in range(3)] == [prompt - 1] * 3


@pytest.mark.parametrize("name", ["base", "recurrent", "sliding-window", "hybrid-delta"])
def test_256_sequences_share_what_they_can(name: str) -> None:
    """All ids that llama.cpp has; no spare one is left."""
    runner = load(name, context=64, sequences=256, cells=256 * 64, batch=512)
    asked = [question(f"{TEXT} {number}", tokens=6) for number in range(300)]
    with Engine(runner) as engine:
        answers = engine.ask(*asked)
        again = engine.ask(*asked[:20])
        (plain,) = engine.ask(question(f"{TEXT} 7", tokens=6, cached=False))
    for given in (answers[7], again[7]):
        require_same(runner, given.scores, plain.scores)
    assert all(given.cached for given in again)
    runner.close()


@pytest.mark.parametrize("name", ["base", "mixture"])
def test_answers_that_outgrow_the_context_leave_others_their_cells(name: str) -> None:
    """Shifted one after another, with cells for a few only: none fails, and who shares the prompt notices nothing."""
    runner = load(name, context=CONTEXT, sequences=8, cells=2 * CONTEXT)
    prompt = " ".join([TEXT] * 5)
    with Engine(runner, context_shift=True) as engine:
        (short,) = engine.ask(question(prompt, tokens=3, cached=False))
        room = CONTEXT - short.ends[0].usage.prompt_tokens
        assert 4 < room < CONTEXT // 4
        outgrow = question(prompt, tokens=room + 40, choices=7)
        for _ in range(2):
            many, few = engine.ask(outgrow, question(prompt, tokens=3))
            require_same(runner, few.scores, short.scores)
            for index in range(7):
                assert many.ends[index].usage.completion_tokens == room + 40
                require_same(runner, many.scores_of(index)[:3], short.scores)
    runner.close()
