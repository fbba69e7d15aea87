"""The prefix cache over real models of every kind: what it gives is what the model would have computed.

Where results depend on nothing but the sequence they are compared to the last bit: text and log probabilities. Else
the most probable tokens are compared, with log probabilities that differ in the digits that other cells, or a prompt
cut elsewhere, change.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest
from tests.kernel.worker.stores import DictStore

import jackfield
from jackfield.channel.messages import RequestFailed, Submit
from jackfield.lifecycle import REQUEST, LifeCycle, RequestState
from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.plugins import build_kernel
from jackfield.ports.backend import ModelSpec
from jackfield.ports.scheduler import StepPlan
from jackfield.testing.kits.loaded_model import generating
from jackfield.types import Finished, GenerateRequest, SamplingParams, TextDelta, TextPrompt
from jackfield.worker.engine.loop import EngineLoop
from jackfield.worker.engine.prefix.cache import PrefixCache
from jackfield.worker.engine.prefix.report import clear
from jackfield.worker.preparation import Preparation
from jackfield.worker.stores import Caching
from jackfield_fcfs.scheduler import FcfsScheduler
from jackfield_kv_disk.store import DiskStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from jackfield.channel.messages import SequenceEvent
    from jackfield.ports.backend import Runner
    from jackfield.ports.kv_store import KVStore
    from jackfield.ports.scheduler import Scheduler, SchedulerView
    from jackfield.types import TokenLogprob

FIXTURES = Path(__file__).parents[2] / "fixtures"
DEMO = Path(jackfield.__file__).parent / "models" / "demo.gguf"
WAIT_S = 60.0

MODELS = {
    "demo": (DEMO, True),
    "base, deterministic": (FIXTURES / "base.gguf", True),
    "base": (FIXTURES / "base.gguf", False),
    "sliding-window": (FIXTURES / "sliding-window.gguf", False),
    "recurrent": (FIXTURES / "recurrent.gguf", False),
    "hybrid-convolution": (FIXTURES / "hybrid-convolution.gguf", False),
    "hybrid-delta": (FIXTURES / "hybrid-delta.gguf", False),
}

SHARED = "The studio has a panel of sockets that every device is plugged into, and a list of who may. " * 3
TAILS = ("How many sockets are there?", "Who may plug in?", "How many lists are there, and of what?")
TOLERANCE = 0.05
"""Of log probabilities that are not reproducible: other cells change some 1e-2 of logits."""


def _request(text: str, *, cached: bool, tokens: int = 12) -> GenerateRequest:
    return GenerateRequest(
        model="m",
        prompt=TextPrompt(text),
        sampling=SamplingParams(temperature=0),
        logprobs=3,
        max_tokens=tokens,
        ignore_eos=True,
        cache_prompt=cached,
    )


class Asker:
    """Collects what one request is told."""

    cancelled = False

    def __init__(self) -> None:
        self.lives = [LifeCycle(REQUEST, RequestState.WAITING)]
        self.events: list[SequenceEvent] = []
        self.ended = threading.Event()

    def post(self, event: SequenceEvent) -> None:
        """Keep *event*."""
        assert not isinstance(event, RequestFailed), event
        self.events.append(event)
        if isinstance(event, Finished):
            self.ended.set()

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(event.text for event in self.events if isinstance(event, TextDelta))

    @property
    def scores(self) -> list[TokenLogprob]:
        """Of every token, wherever in the text it stands."""
        deltas = [event for event in self.events if isinstance(event, TextDelta)]
        end = self.events[-1]
        assert isinstance(end, Finished)
        return [*[score for delta in deltas for score in delta.logprobs], *end.logprobs]

    @property
    def cached(self) -> int:
        """Tokens of the prompt that were not computed."""
        end = self.events[-1]
        assert isinstance(end, Finished)
        return end.usage.cached_tokens


class Engine:
    """A loop on a thread of its own."""

    def __init__(
        self, runner: Runner, scheduler: Scheduler | None = None, stores: dict[str, KVStore] | None = None
    ) -> None:
        stores = stores or {}
        kept = [
            (place, key)
            for place, store in enumerate(stores.values())
            for key in store.open(runner.limits.state_layout)
        ]
        self.loop = EngineLoop(
            runner,
            scheduler or FcfsScheduler(None),
            lambda: None,
            lambda _: None,
            caching=Caching(stores, kept, "shared"),
        )
        self._preparation = Preparation(runner, 100, sharing="shared")
        self._thread = threading.Thread(target=self.loop.run)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.stop()
        self._thread.join(WAIT_S)
        self.loop.table.check_integrity()
        for holder in list(self.loop.cache.holders.residents):
            self.loop.cache.holders.evict(holder)

    def ask(self, *requests: GenerateRequest) -> list[Asker]:
        """Serve *requests* together."""
        askers = [Asker() for _ in requests]
        prepared = [
            self._preparation.prepare(Submit(1, request), asker)  # type: ignore[arg-type]  # a recipient will do
            for request, asker in zip(requests, askers, strict=True)
        ]

        def submit() -> None:
            for each in prepared:
                self.loop.submit(each)

        self.between_steps(submit)
        assert all(asker.ended.wait(WAIT_S) for asker in askers)
        return askers

    def between_steps(self, call: Callable[[], object]) -> None:
        """Have *call* called by the loop, and wait for that."""
        done = threading.Event()

        def errand(_: object) -> None:
            call()
            done.set()

        self.loop.cache_report(errand)
        assert done.wait(WAIT_S)

    def leave_device(self) -> None:
        """Let all idle prefixes be saved, and leave."""

        def leave() -> None:
            while self.loop.cache.saver.busy:
                self.loop.cache.saver.work()
            while self.loop.cache.relieve():
                pass

        self.between_steps(leave)


class Unsteady:
    """Preempts somebody every few steps."""

    def __init__(self) -> None:
        self._steps = 0
        self._inner = FcfsScheduler(None)

    def plan(self, view: SchedulerView) -> StepPlan:
        """As fcfs, or a preemption."""
        self._steps += 1
        if self._steps % 4 == 0 and view.running:
            return StepPlan([], [view.running[self._steps // 4 % len(view.running)].id])
        return self._inner.plan(view)


@pytest.fixture(autouse=True)
def _restoring_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models this small compute about as fast as they are restored: what was measured would decide by chance."""
    monkeypatch.setattr(PrefixCache, "_worth", lambda *_: True)


@pytest.fixture(scope="module", params=MODELS)
def runner(request: pytest.FixtureRequest) -> Iterator[Runner]:
    """A loaded model of each kind."""
    path, deterministic = MODELS[request.param]
    kernel = build_kernel(Manifest(enabled=(InstanceRef("llama-cpu", "llama-cpu"),), kernel=KernelConfig()))
    options = {"deterministic": deterministic, "threads": 1}
    spec = ModelSpec(name="m", path=str(path), context=512, max_sequences=4, options=options)
    loaded = generating(kernel.backends()["llama-cpu"]().load(spec, lambda _: None))
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def expected(runner: Runner) -> list[Asker]:
    """Each tail's answer, computed alone and without a cache."""
    answers = []
    for tail in TAILS:
        with Engine(runner) as engine:
            answers += engine.ask(_request(SHARED + tail, cached=False))
    assert all(answer.cached == 0 for answer in answers)
    return answers


def _same(runner: Runner, given: Asker, expected: Asker) -> None:
    if runner.limits.deterministic:
        assert given.text == expected.text
        assert given.scores == expected.scores
        return
    for score, wanted in zip(given.scores, expected.scores, strict=True):
        assert score.logprob == pytest.approx(wanted.logprob, abs=TOLERANCE)
        if score.token != wanted.token:  # as probable as the other: what comes after is another text
            return


def _asks(*, cached: bool = True) -> Sequence[GenerateRequest]:
    return [_request(SHARED + tail, cached=cached) for tail in TAILS]


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
        (more,) = engine.ask(_request(longer, cached=True))
    with Engine(runner) as engine:
        _same(runner, more, *engine.ask(_request(longer, cached=False)))
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
        assert engine.loop.clock.preemptions > 3
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
