"""The deterministic mode through engine and llama.cpp: an answer depends on its request and on nothing else."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.kernel.worker.conversations import asked

import jackfield
from jackfield.channel.messages import RequestFailed, Submit
from jackfield.lifecycle import REQUEST, LifeCycle, RequestState
from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.plugins import build_kernel
from jackfield.ports.backend import ModelSpec
from jackfield.ports.constraint import Choice
from jackfield.ports.scheduler import StepPlan
from jackfield.sampling import SamplingParams
from jackfield.testing.kits.loaded_model import generating
from jackfield.testing.scripted_constraints import ChoiceEngine
from jackfield.types import Finished, GenerateRequest, TemplatePrompt, TextDelta, TextPrompt
from jackfield.worker.compiling import Costly
from jackfield.worker.constraints import NamedConstraintEngine
from jackfield.worker.engine.loop import EngineLoop
from jackfield.worker.preparation import Preparation
from jackfield_fcfs.scheduler import FcfsScheduler

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jackfield.channel.messages import SequenceEvent
    from jackfield.ports.backend import Runner
    from jackfield.ports.scheduler import Scheduler, SchedulerView
    from jackfield.types import TokenLogprob

DEMO = Path(jackfield.__file__).parent / "models" / "demo.gguf"
LONG = "The studio has a panel of sockets that every device is plugged into. " * 12


def _request(prompt: TemplatePrompt | TextPrompt, **fields: object) -> GenerateRequest:
    return GenerateRequest(model="m", prompt=prompt, **fields)  # type: ignore[arg-type]  # fields by name


ROUTES = Choice(
    tuple(
        f"From {start} to {end}: turn {way}, then {then}, and stop at the {place}."
        for start in ("Bonn", "Berlin", "Bern")
        for end in ("Rome", "Riga")
        for way in ("left", "right", "around")
        for then in ("go on", "wait", "go up the hill")
        for place in ("bridge", "brook", "church")
    )
)

REQUESTS = {
    "greedy": _request(
        asked("What can you do?"),
        sampling=SamplingParams(temperature=0),
        logprobs=3,
        max_tokens=40,
    ),
    "drawn, two answers": _request(
        asked("Tell me about plugins."),
        sampling=SamplingParams(temperature=1.4, seed=7, repeat_penalty=1.1),
        logprobs=2,
        n=2,
        max_tokens=30,
    ),
    "constrained, and scored": _request(
        asked("Which way?"),
        sampling=SamplingParams(temperature=2, seed=3),
        constraint=ROUTES,
        logprobs=2,
    ),
    "constrained, with forced tokens": _request(
        asked("Which way?"),
        sampling=SamplingParams(temperature=2, seed=3),
        constraint=ROUTES,
        n=2,
    ),
    "a long prompt, scored": _request(
        TextPrompt(LONG), sampling=SamplingParams(temperature=0), logprobs=1, echo=True, max_tokens=12
    ),
}

CROWD = [
    _request(
        asked(f"Question number {number}: {LONG[: 100 * number]}"),
        sampling=SamplingParams(temperature=1.0, seed=number),
        max_tokens=10 + 9 * number,
        ignore_eos=True,
    )
    for number in range(5)
]


class Asker:
    """Collects what one request is told."""

    cancelled = False

    def __init__(self, answers: int) -> None:
        self.lives = [LifeCycle(REQUEST, RequestState.WAITING) for _ in range(answers)]
        self.events: list[SequenceEvent] = []
        self.ended = threading.Event()
        self._left = answers

    def post(self, event: SequenceEvent) -> None:
        """Keep *event*."""
        assert not isinstance(event, RequestFailed), event
        self.events.append(event)
        self._left -= isinstance(event, Finished)
        if not self._left:
            self.ended.set()

    def said(self) -> list[tuple[str, list[TokenLogprob]]]:
        """Text and log probabilities of each answer."""
        answers = []
        for index in range(len(self.lives)):
            deltas = [event for event in self.events if isinstance(event, TextDelta) and event.index == index]
            answers.append(
                ("".join(each.text for each in deltas), [entry for each in deltas for entry in each.logprobs])
            )
        return answers


class Unsteady:
    """Preempts somebody every few steps, and starts with another step size each time."""

    def __init__(self) -> None:
        self._steps = 0
        self._schedulers = [FcfsScheduler(size) for size in (None, 16, 61)]

    def plan(self, view: SchedulerView) -> StepPlan:
        """As fcfs, or a preemption."""
        self._steps += 1
        if self._steps % 7 == 0 and view.running:
            return StepPlan([], [view.running[self._steps % len(view.running)].id])
        return self._schedulers[self._steps // 7 % 3].plan(view)


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    """The demo model, deterministic."""
    kernel = build_kernel(Manifest(enabled=(InstanceRef("llama-cpu", "llama-cpu"),), kernel=KernelConfig()))
    options = {"deterministic": True, "threads": 1}
    spec = ModelSpec(name="m", path=str(DEMO), context=512, max_sequences=6, options=options)
    loaded = generating(kernel.backends()["llama-cpu"]().load(spec, lambda _: None))
    yield loaded
    loaded.close()


def _run(runner: Runner, requests: Sequence[GenerateRequest], scheduler: Scheduler) -> tuple[list[Asker], int]:
    """Serve *requests* together; also how often somebody was preempted."""
    engine = NamedConstraintEngine("choices", ChoiceEngine(runner.tokenizer))
    preparation = Preparation(runner, 100, constraints=engine)
    loop = EngineLoop(runner, scheduler, lambda: None, lambda _: None)
    askers = []
    for request in requests:
        asker = Asker(request.n)
        askers.append(asker)
        prepared = preparation.prepare(Submit(1, request), asker)  # type: ignore[arg-type]  # a recipient will do
        loop.submit(prepared.finish() if isinstance(prepared, Costly) else prepared)
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        assert all(asker.ended.wait(60) for asker in askers)
    finally:
        loop.stop()
        thread.join(10)
    return askers, loop.clock.preemptions


@pytest.mark.parametrize("name", REQUESTS)
def test_alone_in_a_crowd_and_preempted_an_answer_is_the_same(runner: Runner, name: str) -> None:
    """The same text, and the same log probabilities to the last bit."""
    request = REQUESTS[name]
    (alone,), _ = _run(runner, [request], FcfsScheduler(None))
    expected = alone.said()
    assert all(text and (scores or request.logprobs is None) for text, scores in expected)
    assert request.constraint is None or all(text in ROUTES.choices for text, _ in expected)
    crowded, _ = _run(runner, [*CROWD[:3], request, *CROWD[3:]], FcfsScheduler(40))
    assert crowded[3].said() == expected
    unsteady, preemptions = _run(runner, [CROWD[1], request, CROWD[2]], Unsteady())
    assert preemptions > 3
    assert unsteady[1].said() == expected
