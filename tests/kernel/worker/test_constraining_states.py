"""Any batch and any schedule: a constrained answer is the one that its script and its choices come to, and no other."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.channel.messages import RequestFailed
from jackfield.lifecycle import REQUEST, LifeCycle, RequestState
from jackfield.ports.backend import ModelInfo, RunnerLimits
from jackfield.ports.constraint import Choice
from jackfield.ports.scheduler import Chunk, SchedulerView, StepPlan
from jackfield.sampling import SamplingParams
from jackfield.testing.script import END, ScriptedTokenizer
from jackfield.testing.scripted import ScriptedRunner
from jackfield.testing.scripted_constraints import ChoiceEngine
from jackfield.types import Finished, TextDelta
from jackfield.worker.engine.loop import EngineLoop
from jackfield.worker.engine.sequence import Draws, Ends, Form, PreparedRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.channel.messages import SequenceEvent
    from jackfield.ports.backend import Batch

CONTEXT = 64

ENGINE = ChoiceEngine(ScriptedTokenizer())

_INFO = ModelInfo(
    architecture="scripted", title="", description="", parameters=0, size_bytes=0, context_train=99, vocabulary=257
)

choices = st.lists(st.text("ab.", min_size=1, max_size=9), min_size=1, max_size=4, unique=True).map(tuple)


class Asker:
    """One request's end of the events."""

    def __init__(self, expected: tuple[str, str, int]) -> None:
        self.expected = expected
        self.cancelled = False
        self.lives = [LifeCycle(REQUEST, RequestState.WAITING)]
        self.text = ""
        self.tokens = 0
        self.end: Finished | None = None

    def post(self, event: SequenceEvent) -> None:
        """Take note of *event*."""
        assert not isinstance(event, RequestFailed), event
        assert self.end is None
        if isinstance(event, TextDelta):
            self.text += event.text
            self.tokens += event.tokens
        elif isinstance(event, Finished):
            self.end = event

    def said(self) -> tuple[str, str, int]:
        """Text, reason and tokens."""
        assert self.end is not None
        return self.text, self.end.reason, self.end.usage.completion_tokens


class AnyPlan:
    """Plans anything legal, preempts now and then, and lets requests arrive while others run."""

    def __init__(self, generator: random.Random, arrivals: list[PreparedRequest]) -> None:
        self.generator = generator
        self.arrivals = arrivals
        self.loop: EngineLoop | None = None

    def plan(self, view: SchedulerView) -> StepPlan:
        """Something legal; in the end always something."""
        assert self.loop is not None
        self.loop.table.check_integrity()
        if self.arrivals and self.generator.random() < 0.5:
            self.loop.submit(self.arrivals.pop())
        preempt = [sequence for sequence in view.running if self.generator.random() < 0.08]
        budget = min(view.max_tokens, view.free_tokens + sum(sequence.cells for sequence in preempt))
        slots = view.free_slots + len(preempt)
        chunks: list[Chunk] = []
        waiting = list(view.waiting)
        for sequence in self.generator.sample([*view.running, *waiting], len(view.running) + len(waiting)):
            if sequence in preempt or budget < 1 or (sequence in waiting and slots < 1):
                continue
            tokens = self.generator.randint(1, min(sequence.pending, budget))
            chunks.append(Chunk(sequence.id, tokens))
            budget -= tokens
            slots -= sequence in waiting
        if not chunks and not preempt and view.running:  # nobody has room: somebody must go
            preempt = [view.running[0]]
        return StepPlan(chunks, [sequence.id for sequence in preempt])


class Watched(ScriptedRunner):
    """Takes note of the shape of each call."""

    def __init__(self, limits: RunnerLimits) -> None:
        super().__init__(_INFO, limits)
        self.calls: list[dict[int, int]] = []

    def decode(self, batch: Batch) -> None:
        """Compute, and remember how many rows each sequence had."""
        rows: dict[int, int] = {}
        for sequence in batch.sequence[: batch.rows].tolist():
            rows[sequence] = rows.get(sequence, 0) + 1
        self.calls.append(rows)
        super().decode(batch)


def reference(script: str, texts: Sequence[str], ends: Ends) -> tuple[str, str, int]:
    """What a scripted answer comes to, drawn token by token: text, reason, tokens."""
    text, drawn = "", 0
    while text not in texts or any(each.startswith(text) and each != text for each in texts):
        if drawn >= ends.max_tokens:
            return text, "length", drawn
        allowed = {ord(each[len(text)]) for each in texts if each.startswith(text) and each != text}
        if text in texts and drawn >= ends.min_tokens:
            allowed.add(END)
        due = ord(script[drawn]) if drawn < len(script) else END
        token = next((each for each in (due, ord(".")) if each in allowed), min(allowed))
        drawn += 1
        if token == END:
            break
        text += chr(token)
        stop = next((each for each in ends.stops if text[ends.min_tokens :].endswith(each)), None)
        if stop is not None:
            return text[: -len(stop)], "stop", drawn
    return text, "stop", drawn


@st.composite
def requests(draw: st.DrawFn) -> PreparedRequest:
    """One constrained request, with what it must come to."""
    script = draw(st.text("abc.", max_size=9))
    texts = draw(choices)
    prompt = f"<user>[say:{script}]\n<assistant>".encode()
    ends = Ends(
        max_tokens=draw(st.integers(1, CONTEXT - len(prompt))),
        end_tokens=frozenset({END}),
        stops=draw(st.sampled_from([(), ("ab",), ("b", "ba")])),
        min_tokens=draw(st.sampled_from([0, 0, 3])),
    )
    form = Form(
        matchers=(ENGINE.compile(Choice(texts)).matcher(),), forcing=not ends.min_tokens and draw(st.booleans())
    )
    draws = Draws(
        sampling=SamplingParams(temperature=0, seed=1),
        banned=(END,) if ends.min_tokens else (),
        banned_draws=ends.min_tokens or None,
        form=form,
    )
    return PreparedRequest(Asker(reference(script, texts, ends)), list(prompt), draws=draws, ends=ends)


@settings(max_examples=150, deadline=None)
@given(asked=st.lists(requests(), min_size=1, max_size=8), seed=st.integers(0, 2**32), deterministic=st.booleans())
def test_every_answer_is_its_own(asked: list[PreparedRequest], seed: int, *, deterministic: bool) -> None:
    """Whoever shares its steps, however they are cut, whether tokens are forced or drawn."""
    generator = random.Random(seed)
    limits = RunnerLimits(
        context=CONTEXT,
        max_sequences=generator.randint(1, 4),
        kv_tokens=generator.randint(CONTEXT, 160),
        max_batch_tokens=generator.randint(4, 64),
        deterministic=deterministic,
    )
    runner = Watched(limits)
    scheduler = AnyPlan(generator, asked[1:])

    def stop_at_the_end(_: object) -> None:
        if scheduler.arrivals:
            loop.submit(scheduler.arrivals.pop())
        elif all(isinstance(each.recipient, Asker) and each.recipient.end is not None for each in asked):
            loop.stop()

    loop = scheduler.loop = EngineLoop(runner, scheduler, lambda: None, stop_at_the_end)
    loop.submit(asked[0])
    loop.run()
    loop.table.check_integrity()
    tokens = 0
    for request in asked:
        asker = request.recipient
        assert isinstance(asker, Asker)
        assert asker.said() == asker.expected
        assert asker.tokens <= asker.expected[2]
        tokens += asker.expected[2]
    assert loop.clock.generated_tokens == tokens
    assert not any(runner.cells.values())
    if deterministic:  # a call with more than one row of a sequence has no other sequence
        assert all(len(rows) == 1 or set(rows.values()) == {1} for rows in runner.calls)


@given(choices, st.data())
def test_the_engine_of_these_tests_keeps_its_ports_promises(texts: tuple[str, ...], data: st.DataObject) -> None:
    """What the mask allows is accepted, ``allows`` agrees, and what is forced is all that may come."""
    matcher = ENGINE.compile(Choice(texts)).matcher()
    mask = np.zeros(9, np.uint32)
    text = ""
    while not matcher.finished:
        matcher.mask(mask)
        allowed = [token for token in range(257) if mask[token // 32] >> (token % 32) & 1]
        assert allowed == [token for token in range(257) if matcher.allows([token])]
        forced = matcher.forced()
        assert matcher.allows(forced) == len(forced)
        if forced:
            assert allowed == [forced[0]]
        token = data.draw(st.sampled_from(allowed))
        matcher.accept(token)
        text += chr(token) if token != END else ""
    assert text in texts
