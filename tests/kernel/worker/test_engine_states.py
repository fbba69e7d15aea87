"""Any order of events: arrivals, cancellations, preemptions, faults and ends keep slots, cells and lives consistent."""

from __future__ import annotations

import random
from types import MappingProxyType
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.channel.messages import RequestFailed
from jackfield.errors import BackendFault, KVExhausted
from jackfield.lifecycle import REQUEST, LifeCycle, RequestState
from jackfield.ports.backend import ModelInfo, RunnerLimits
from jackfield.ports.scheduler import Chunk, SchedulerView, StepPlan
from jackfield.sampling import SamplingParams
from jackfield.testing.script import END
from jackfield.testing.scripted import ScriptedRunner
from jackfield.types import Finished, TextDelta
from jackfield.worker.engine.loop import EngineLoop
from jackfield.worker.engine.sequence import Draws, Ends, PreparedRequest, Shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.channel.messages import SequenceEvent
    from jackfield.ports.backend import Batch, Sampler

CONTEXT = 48


class Asker:
    """One request's end of the events; they must come in a legal order."""

    def __init__(self, answers: int) -> None:
        self.expected = ""
        self.cancelled = False
        self.lives = [LifeCycle(REQUEST, RequestState.WAITING) for _ in range(answers)]
        self.texts = [""] * answers
        self.ends: dict[int, Finished] = {}
        self.failed = False

    def post(self, event: SequenceEvent) -> None:
        """Take note of *event*."""
        assert not self.failed, "an event after the failure"
        if isinstance(event, TextDelta):
            assert event.index not in self.ends, "text after the end"
            self.texts[event.index] += event.text
        elif isinstance(event, Finished):
            assert event.index not in self.ends, "two ends"
            self.ends[event.index] = event
        else:
            assert isinstance(event, RequestFailed)
            self.failed = True


class Unreliable(ScriptedRunner):
    """Fails at random, and counts the samplers it has handed out."""

    def __init__(self, limits: RunnerLimits, generator: random.Random, faults: float) -> None:
        super().__init__(_INFO, limits)
        self.generator = generator
        self.faults = faults
        self.samplers = 0
        self.calls: list[dict[int, int]] = []

    def decode(self, batch: Batch) -> None:
        """Compute, or not."""
        rows: dict[int, int] = {}
        for sequence in batch.sequence[: batch.rows].tolist():
            rows[sequence] = rows.get(sequence, 0) + 1
        self.calls.append(rows)
        if self.generator.random() < self.faults:
            raise self.generator.choice([BackendFault, KVExhausted])("by chance")
        super().decode(batch)

    def sampler(
        self,
        params: SamplingParams,
        *,
        history: Sequence[int] = (),
        bias: Mapping[int, float] = MappingProxyType({}),
        banned: Sequence[int] = (),
        banned_draws: int | None = None,
    ) -> Sampler:
        """A sampler that says when it is closed."""
        self.samplers += 1
        inner = super().sampler(params, history=history, bias=bias, banned=banned, banned_draws=banned_draws)
        return Counted(self, inner)


class Counted:
    """A sampler that says when it is closed."""

    def __init__(self, runner: Unreliable, inner: Sampler) -> None:
        self._runner = runner
        self.sample = inner.sample

    def close(self) -> None:
        """Once."""
        self._runner.samplers -= 1


class Chaos:
    """A scheduler that plans anything legal, and before each step lets anything happen.

    Parameters:
        generator: Decides everything.
        shift: Whether answers may outgrow the context.
    """

    def __init__(self, generator: random.Random, *, shift: bool) -> None:
        self.generator = generator
        self.shift = shift
        self.loop: EngineLoop | None = None
        self.askers: list[Asker] = []
        self.arrivals = 12

    def plan(self, view: SchedulerView) -> StepPlan:
        """Something legal; in the end always something."""
        assert self.loop is not None
        self.loop.table.check_integrity()
        self.happen()
        running = list(view.running)
        preempt = [sequence for sequence in running if self.generator.random() < 0.1]
        cells = view.free_tokens + sum(sequence.computed for sequence in preempt)
        slots = view.free_slots + len(preempt)
        candidates = [sequence for sequence in [*running, *view.waiting] if sequence not in preempt]
        self.generator.shuffle(candidates)
        budget = min(view.max_tokens, cells)
        chunks: list[Chunk] = []
        for sequence in candidates:
            waits = sequence in view.waiting
            if budget < 1 or (waits and slots < 1):
                continue
            tokens = self.generator.randint(1, min(sequence.pending, budget))
            chunks.append(Chunk(sequence.id, tokens))
            budget -= tokens
            slots -= waits
        if not chunks and not preempt and running:  # nobody has room: somebody must go
            preempt = running[:1]
        return StepPlan(chunks, [sequence.id for sequence in preempt])

    def happen(self) -> None:
        """Arrivals and cancellations."""
        assert self.loop is not None
        if self.arrivals and self.generator.random() < 0.4:
            self.arrive()
        for asker in self.askers:
            if not asker.cancelled and self.generator.random() < 0.01:
                asker.cancelled = True
                self.loop.wake()

    def arrive(self) -> None:
        """Any request."""
        assert self.loop is not None
        self.arrivals -= 1
        draw = self.generator
        answers = draw.randint(1, 3)
        asker = Asker(answers)
        letter, times = draw.choice("abc"), draw.randint(0, 9)
        prompt = f"<user>[repeat:{times}:{letter}]\n<assistant>".encode()
        echo = tuple(bytes((byte,)) for byte in prompt) if draw.random() < 0.3 else None
        room = CONTEXT - len(prompt) + (30 if self.shift else 0)
        ends = Ends(
            max_tokens=draw.randint(0 if echo else 1, room),
            end_tokens=frozenset({END}),
            stops=("aaaa",) if draw.random() < 0.3 else (),
            min_tokens=draw.randint(0, 4),
            keep=draw.randint(0, 1),
        )
        request = PreparedRequest(
            asker,
            list(prompt),
            draws=Draws(sampling=SamplingParams(temperature=0, seed=1), banned=(END,), banned_draws=ends.min_tokens),
            ends=ends,
            choices=answers,
            shown=Shown(logprobs=draw.choice([None, 0, 2]), echo=echo),
        )
        asker.expected = prompt.decode() * bool(echo) + _answer(letter * times, ends)
        self.askers.append(asker)
        self.loop.submit(request)


_INFO = ModelInfo(
    architecture="scripted", title="", description="", parameters=0, size_bytes=0, context_train=99, vocabulary=257
)


def _check_calls(runner: Unreliable) -> None:
    """Deterministic: a call with more than one row of a sequence has no other. Tiles are for long prompts only."""
    tile_rows = runner.limits.tile_rows
    for rows in runner.calls:
        if runner.limits.deterministic:
            assert len(rows) == 1 or set(rows.values()) == {1}
        if tile_rows and sum(rows.values()) >= tile_rows:
            assert min(rows.values()) >= tile_rows


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    faults=st.sampled_from([0.0, 0.0, 0.02, 0.2]),
    mode=st.sampled_from(["plain", "tiles", "shift", "deterministic"]),
)
def test_any_order_of_events(seed: int, faults: float, mode: str) -> None:
    """Every answer ends once, what it says is its own, and nothing is left behind."""
    generator = random.Random(seed)
    limits = RunnerLimits(
        context=CONTEXT,
        max_sequences=generator.randint(3, 5),
        kv_tokens=generator.randint(CONTEXT, 200),
        max_batch_tokens=generator.randint(5, 64),
        deterministic=mode == "deterministic",
        can_shift=mode == "shift",
        tile_rows=generator.randint(2, 12) if mode == "tiles" else 0,
    )
    runner = Unreliable(limits, generator, faults)
    scheduler = Chaos(generator, shift=mode == "shift")

    def stop_at_the_end(_: object) -> None:
        if len(loop.table):
            return
        if scheduler.arrivals:
            scheduler.arrive()
        else:
            loop.stop()

    loop = scheduler.loop = EngineLoop(runner, scheduler, lambda: None, stop_at_the_end, context_shift=mode == "shift")
    scheduler.arrive()
    loop.run()
    loop.table.check_integrity()
    assert len(loop.table) == 0
    assert not any(runner.cells.values())
    assert runner.samplers == 0
    _check_calls(runner)
    for asker in scheduler.askers:
        # what is computed again after a shift has lost its beginning, and with it the script
        _check(asker, faults, exact=mode != "shift" or not loop.clock.preemptions)


def _answer(text: str, ends: Ends) -> str:
    """What a script that says *text* comes to."""
    text = text.ljust(ends.min_tokens, ".")[: ends.max_tokens]
    found = [text.find(stop, ends.min_tokens) for stop in ends.stops]
    return text[: min([place for place in found if place >= 0], default=len(text))]


def _check(asker: Asker, faults: float, *, exact: bool) -> None:
    assert all(life.final for life in asker.lives)
    assert asker.cancelled or asker.failed or len(asker.ends) == len(asker.lives)
    assert not asker.failed or faults
    for index, text in enumerate(asker.texts):
        if index in asker.ends:
            assert asker.lives[index].state is RequestState.FINISHED
            assert not exact or text == asker.expected
        else:
            assert not exact or asker.expected.startswith(text)
