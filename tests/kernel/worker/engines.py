"""Engines over real models, on threads of their own, and answers that can be compared."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import pytest

import jackfield
from jackfield.channel.messages import RequestFailed, Submit
from jackfield.lifecycle import REQUEST, LifeCycle, RequestState
from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.plugins import build_kernel
from jackfield.ports.backend import ModelSpec
from jackfield.ports.scheduler import StepPlan
from jackfield.sampling import SamplingParams
from jackfield.testing.kits.loaded_model import generating
from jackfield.types import Finished, GenerateRequest, TextDelta, TextPrompt
from jackfield.worker.compiling import Costly
from jackfield.worker.constraints import NamedConstraintEngine
from jackfield.worker.engine.loop import EngineLoop
from jackfield.worker.preparation import Preparation
from jackfield.worker.stores import Caching
from jackfield_fcfs.scheduler import FcfsScheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jackfield.channel.messages import SequenceEvent
    from jackfield.ports.backend import OptionValue, Runner
    from jackfield.ports.constraint import ConstraintEngine
    from jackfield.ports.kv_store import KVStore
    from jackfield.ports.scheduler import Scheduler, SchedulerView
    from jackfield.types import TokenLogprob
    from jackfield.worker.engine.sequence import PreparedRequest

FIXTURES = Path(__file__).parents[2] / "fixtures"
DEMO = Path(jackfield.__file__).parent / "models" / "demo.gguf"
WAIT_S = 60.0

MODELS = {
    "demo": (DEMO, True),
    "base, deterministic": (FIXTURES / "base.gguf", True),
    "mixture, deterministic": (FIXTURES / "mixture.gguf", True),
    "sliding-window, deterministic": (FIXTURES / "sliding-window.gguf", True),
    "base": (FIXTURES / "base.gguf", False),
    "mixture": (FIXTURES / "mixture.gguf", False),
    "sliding-window": (FIXTURES / "sliding-window.gguf", False),
    "recurrent": (FIXTURES / "recurrent.gguf", False),
    "hybrid-convolution": (FIXTURES / "hybrid-convolution.gguf", False),
    "hybrid-delta": (FIXTURES / "hybrid-delta.gguf", False),
}
"""Every kind, and whether its results depend on nothing but the sequence; states that fold tokens cannot have that."""

TOLERANCE = 0.05
"""Of log probabilities that are not reproducible: other cells change some 1e-2 of logits."""

EXPERTS_TOLERANCE = 0.5
"""Where such a digit may decide which expert a token goes to."""


def load(name: str, *, context: int = 512, sequences: int = 4, cells: int | None = None, batch: int = 512) -> Runner:
    """One of ``MODELS``.

    Parameters:
        name: Its key.
        context: Longest request.
        sequences: Most at once.
        cells: Of the pool, where that is not what the model decides itself.
        batch: Most tokens of a step.
    """
    path, deterministic = MODELS[name]
    kernel = build_kernel(Manifest(enabled=(InstanceRef("llama-cpu", "llama-cpu"),), kernel=KernelConfig()))
    options: dict[str, OptionValue] = {"deterministic": deterministic, "threads": 1, "batch": batch}
    pool: int | Literal["auto"] = "auto" if deterministic or cells is None else cells
    spec = ModelSpec(
        name="m", path=str(path), context=context, max_sequences=sequences, kv_tokens=pool, options=options
    )
    return generating(kernel.backends()["llama-cpu"]().load(spec, lambda _: None))


def question(text: str, *, cached: bool = True, tokens: int = 12, choices: int = 1) -> GenerateRequest:
    """For the most probable continuation of *text*."""
    return GenerateRequest(
        model="m",
        prompt=TextPrompt(text),
        sampling=SamplingParams(temperature=0),
        logprobs=3,
        max_tokens=tokens,
        n=choices,
        ignore_eos=True,
        cache_prompt=cached,
    )


class Asker:
    """Collects what one request is told."""

    def __init__(self, choices: int = 1) -> None:
        self.cancelled = False
        self.lives = [LifeCycle(REQUEST, RequestState.WAITING) for _ in range(choices)]
        self.events: list[SequenceEvent] = []
        self.ends: dict[int, Finished] = {}
        self.ended = threading.Event()

    def post(self, event: SequenceEvent) -> None:
        """Keep *event*."""
        assert not isinstance(event, RequestFailed), event
        self.events.append(event)
        if isinstance(event, Finished):
            self.ends[event.index] = event
            if len(self.ends) == len(self.lives):
                self.ended.set()

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(event.text for event in self.events if isinstance(event, TextDelta))

    def text_of(self, index: int) -> str:
        """Of one of several answers."""
        return "".join(event.text for event in self.events if isinstance(event, TextDelta) and event.index == index)

    @property
    def scores(self) -> list[TokenLogprob]:
        """Of every token, wherever in the text it stands."""
        return self.scores_of(0)

    def scores_of(self, index: int) -> list[TokenLogprob]:
        """Of one of several answers."""
        deltas = [event for event in self.events if isinstance(event, TextDelta) and event.index == index]
        return [*[score for delta in deltas for score in delta.logprobs], *self.ends[index].logprobs]

    @property
    def cached(self) -> int:
        """Tokens of the prompt that were not computed."""
        return self.ends[0].usage.cached_tokens


class Engine:
    """A loop on a thread of its own; it must end well, and everything add up then.

    Parameters:
        runner: The model.
        scheduler: First come, first served, if none.
        stores: Below the device.
        constraints: Compiles what answers must look like.
        context_shift: Whether answers outgrow the context.
        flush: Called by the loop when what was posted is to be sent.
    """

    def __init__(
        self,
        runner: Runner,
        scheduler: Scheduler | None = None,
        stores: Mapping[str, KVStore] | None = None,
        *,
        constraints: ConstraintEngine | None = None,
        context_shift: bool = False,
        flush: Callable[[], None] = lambda: None,
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
            flush,
            lambda _: None,
            context_shift=context_shift,
            caching=Caching(stores, kept, "shared"),
        )
        self._preparation = Preparation(
            runner,
            100,
            sharing="shared",
            context_shift=context_shift,
            constraints=None if constraints is None else NamedConstraintEngine("constraints", constraints),
        )
        self._thread = threading.Thread(target=self.loop.run)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.stop()
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()
        self.loop.table.check_integrity()
        for holder in list(self.loop.cache.holders.residents):
            self.loop.cache.holders.evict(holder)

    def ask(self, *requests: GenerateRequest) -> list[Asker]:
        """Serve *requests* together."""
        askers = self.submit(*requests)
        assert all(asker.ended.wait(WAIT_S) for asker in askers)
        return askers

    def submit(self, *requests: GenerateRequest) -> list[Asker]:
        """Have *requests* begin in one step."""
        askers = [Asker(each.n) for each in requests]
        prepared = [self._prepared(each, asker) for each, asker in zip(requests, askers, strict=True)]

        def submit() -> None:
            for each in prepared:
                self.loop.submit(each)

        self.between_steps(submit)
        return askers

    def _prepared(self, asked: GenerateRequest, asker: Asker) -> PreparedRequest:
        prepared = self._preparation.prepare(Submit(1, asked), asker)  # type: ignore[arg-type]  # a recipient will do
        return prepared.finish() if isinstance(prepared, Costly) else prepared

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


def require_same(runner: Runner, given: Sequence[TokenLogprob], expected: Sequence[TokenLogprob]) -> None:
    """Two answers to one prompt are the same: to the last bit, or in what other cells do not change."""
    if runner.limits.deterministic:
        assert given == expected
        return
    tolerance = EXPERTS_TOLERANCE if runner.info.n_experts else TOLERANCE
    for score, wanted in zip(given, expected, strict=True):
        assert score.logprob == pytest.approx(wanted.logprob, abs=tolerance)
        if score.token != wanted.token:  # as probable as the other: what comes after is another text
            return
