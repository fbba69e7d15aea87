"""The prefix cache over real models of every kind: what it gives is what the model would have computed.

Where results depend on nothing but the sequence they are compared to the last bit: text and log probabilities. Else
the most probable tokens are compared, with log probabilities that differ in the digits that other cells, or a prompt
cut elsewhere, change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.kernel.worker.engines import MODELS, Asker, Engine, Unsteady, load, question, require_same
from tests.kernel.worker.stores import DictStore

from jackfield.types import Finished
from jackfield.worker.engine.prefix.cache import PrefixCache
from jackfield.worker.engine.prefix.report import clear
from jackfield_kv_disk.store import DiskStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from jackfield.ports.backend import Runner
    from jackfield.types import GenerateRequest

SHARED = "The studio has a panel of sockets that every device is plugged into, and a list of who may. " * 3
TAILS = ("How many sockets are there?", "Who may plug in?", "How many lists are there, and of what?")


@pytest.fixture(autouse=True)
def _restoring_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models this small compute about as fast as they are restored: what was measured would decide by chance."""
    monkeypatch.setattr(PrefixCache, "_worth", lambda *_: True)


@pytest.fixture(scope="module", params=MODELS)
def runner(request: pytest.FixtureRequest) -> Iterator[Runner]:
    """A loaded model of each kind."""
    loaded = load(request.param)
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def expected(runner: Runner) -> list[Asker]:
    """Each tail's answer, computed alone and without a cache."""
    answers = []
    for tail in TAILS:
        with Engine(runner) as engine:
            answers += engine.ask(question(SHARED + tail, cached=False))
    assert all(answer.cached == 0 for answer in answers)
    return answers


def _same(runner: Runner, given: Asker, expected: Asker) -> None:
    require_same(runner, given.scores, expected.scores)
    assert not runner.limits.deterministic or given.text == expected.text


def _asks(*, cached: bool = True) -> Sequence[GenerateRequest]:
    return [question(SHARED + tail, cached=cached) for tail in TAILS]


def test_prompts_that_begin_alike_are_computed_once(runner: Runner, expected: list[Asker]) -> None:
    """While the first is under way the others wait; each answer is its own."""
    with Engine(runner) as engine:
        answers = engine.ask(*_asks())
        computed = engine.loop.clock.prompt_tokens
    for answer, wanted in zip(answers, expected, strict=True):
        _same(runner, answer, wanted)
    asked = sum(answer.events[-1].usage.prompt_tokens for answer in answers if isinstance(answer.events[-1], Finished))
    assert computed == asked - sum(answer.cached for answer in answers)
    assert (computed < asked / 2) is (runner.limits.reuse != "none")


def test_what_ended_is_used_again(runner: Runner, expected: list[Asker]) -> None:
    """The same prompt, one that goes on with the answer, and one that parts from both."""
    with Engine(runner) as engine:
        (first,) = engine.ask(_asks()[0])
        (again,) = engine.ask(_asks()[0])
        (other,) = engine.ask(_asks()[1])
        _same(runner, first, expected[0])
        _same(runner, again, expected[0])
        _same(runner, other, expected[1])
        longer = SHARED + TAILS[0] + first.text + " " + TAILS[2]
        (more,) = engine.ask(question(longer, cached=True))
    with Engine(runner) as engine:
        _same(runner, more, *engine.ask(question(longer, cached=False)))
    if runner.limits.reuse != "none":
        assert again.cached > 0


def test_states_come_back_from_memory(runner: Runner, expected: list[Asker]) -> None:
    """After the device was emptied."""
    if runner.limits.reuse == "none":
        return
    with Engine(runner, stores={"memory": DictStore()}) as engine:
        engine.ask(*_asks())
        engine.leave_device()
        assert engine.loop.cache.cells.used == 0
        (again,) = engine.ask(_asks()[0])
        stats = engine.loop.cache.counters
        _same(runner, again, expected[0])
        assert again.cached > 0
        assert stats.restored_bytes > 0
        assert not stats.recomputed.get("state_lost")


def test_states_come_back_from_disk_in_another_life(runner: Runner, expected: list[Asker], tmp_path: Path) -> None:
    """Of the worker."""
    if runner.limits.reuse == "none":
        return
    first = DiskStore(tmp_path, "m", 1 << 30, option="")
    with Engine(runner, stores={"disk": first}) as engine:
        engine.ask(*_asks())
    second = DiskStore(tmp_path, "m", 1 << 30, option="")
    with Engine(runner, stores={"disk": second}) as engine:
        assert engine.loop.cache.cells.used == 0
        (again,) = engine.ask(_asks()[0])
        _same(runner, again, expected[0])
        assert again.cached > 0


def test_preempted_answers_go_on_where_they_were(runner: Runner, expected: list[Asker]) -> None:
    """Kept, moved to a store or computed anew."""
    with Engine(runner, Unsteady(), {"memory": DictStore()}) as engine:
        answers = engine.ask(*_asks())
        assert engine.loop.clock.preemptions > 2
    for answer, wanted in zip(answers, expected, strict=True):
        _same(runner, answer, wanted)


def test_nothing_is_left_once_the_cache_is_cleared(runner: Runner) -> None:
    """On the device and in stores."""
    store = DictStore()
    with Engine(runner, stores={"memory": store}) as engine:
        engine.ask(*_asks())
        engine.between_steps(lambda: clear(engine.loop.cache, off=""))
        assert engine.loop.cache.cells.used == 0
        assert not store.entries
        assert not engine.loop.cache.tree.roots
        (again,) = engine.ask(_asks()[0])
        assert again.cached == 0


def test_an_echo_says_the_same_of_a_prompt_that_is_cached(runner: Runner) -> None:
    """Its log probabilities are computed, whatever is there; those of the answer are what they are without a cache."""
    plain = question(SHARED + TAILS[0])
    echoed = msgspec.structs.replace(plain, echo=True)
    with Engine(runner) as engine:
        (expected,) = engine.ask(msgspec.structs.replace(echoed, cache_prompt=False))
        engine.ask(plain)
        (given,) = engine.ask(echoed)
        assert given.cached == 0
        assert len(given.scores) > len(SHARED) / 4
    assert [score.token for score in given.scores[:50]] == [score.token for score in expected.scores[:50]]
    assert (given.scores[0].logprob, expected.scores[0].logprob) == (None, None)
    require_same(runner, given.scores[1:], expected.scores[1:])
