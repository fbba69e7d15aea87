"""The prefix cache under any order of events: every answer is what it would be without it, and everything adds up."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, get_args
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kernel.worker.stores import DictStore

from jackfield.channel.messages import RequestFailed
from jackfield.errors import BackendFault, KVExhausted
from jackfield.lifecycle import REQUEST, LifeCycle, RequestState
from jackfield.ports.backend import ModelInfo, Reuse, RunnerLimits
from jackfield.ports.constraint import Choice
from jackfield.ports.scheduler import Chunk, SchedulerView, SequenceView, StepPlan
from jackfield.sampling import SamplingParams
from jackfield.testing.script import END, ScriptedTokenizer
from jackfield.testing.scripted import ScriptedRunner
from jackfield.testing.scripted_constraints import ChoiceEngine
from jackfield.types import Finished, TextDelta
from jackfield.worker.engine.loop import EngineLoop
from jackfield.worker.engine.prefix import holders as holders_module
from jackfield.worker.engine.prefix.tokens import packed
from jackfield.worker.engine.sequence import Draws, Ends, Form, PreparedRequest, Shown, Standing
from jackfield.worker.stores import Caching

if TYPE_CHECKING:
    from jackfield.channel.messages import SequenceEvent
    from jackfield.ports.backend import Batch

CONTEXT = 160
ARRIVALS = 14

_INFO = ModelInfo(
    architecture="scripted", title="", description="", parameters=0, size_bytes=0, context_train=999, vocabulary=257
)


_ENGINE = ChoiceEngine(ScriptedTokenizer())


class Asker:
    """One request's end of the events."""

    def __init__(self, answers: int, text: str, prompt: str) -> None:
        self.cancelled = False
        self.lives = [LifeCycle(REQUEST, RequestState.WAITING) for _ in range(answers)]
        self.expected = text
        self.prompt = prompt
        self.texts = [""] * answers
        self.ends: dict[int, Finished] = {}
        self.failed = False

    def post(self, event: SequenceEvent) -> None:
        """Take note of *event*."""
        if isinstance(event, TextDelta):
            self.texts[event.index] += event.text
        elif isinstance(event, Finished):
            self.ends[event.index] = event
        else:
            assert isinstance(event, RequestFailed)
            self.failed = True

    @property
    def over(self) -> bool:
        """Whether nothing more comes."""
        return all(life.final for life in self.lives)


class Unreliable(ScriptedRunner):
    """Fails at random in everything."""

    def __init__(self, limits: RunnerLimits, generator: random.Random, faults: float, broken: float) -> None:
        super().__init__(_INFO, limits)
        self.generator = generator
        self.faults = faults
        self.broken = broken

    def decode(self, batch: Batch) -> None:
        """Compute, or not."""
        if self.generator.random() < self.faults:
            raise self.generator.choice([BackendFault, KVExhausted])("by chance")
        super().decode(batch)

    def copy(self, source: int, target: int, length: int) -> None:
        """Copy, or not."""
        self._stumble(target)
        super().copy(source, target, length)

    def cut(self, sequence: int, length: int) -> None:
        """Cut, or not."""
        self._stumble(sequence)
        super().cut(sequence, length)

    def save(self, sequence: int, start: int, end: int) -> memoryview:
        """Save, or not."""
        self._stumble(None)
        return super().save(sequence, start, end)

    def restore(self, sequence: int, state: memoryview, length: int) -> None:
        """Restore, or not."""
        self._stumble(sequence)
        super().restore(sequence, state, length)

    def checkpoint(self, sequence: int) -> memoryview:
        """Take one, or not."""
        self._stumble(None)
        return super().checkpoint(sequence)

    def rewind(self, sequence: int, checkpoint: memoryview, length: int) -> None:
        """Go back, or not."""
        self._stumble(sequence)
        super().rewind(sequence, checkpoint, length)

    def _stumble(self, wiped: int | None) -> None:
        if self.generator.random() < self.broken:
            if wiped is not None:
                self.remove(wiped)
            raise BackendFault("by chance")


class Chaos:
    """A scheduler that plans anything legal, and before each step lets anything happen."""

    def __init__(self, generator: random.Random) -> None:
        self.generator = generator
        self.loop: EngineLoop | None = None
        self.askers: list[Asker] = []
        self.prompts: list[tuple[int, str]] = []

    def plan(self, view: SchedulerView) -> StepPlan:
        """Something legal; in the end always something."""
        assert self.loop is not None
        self.loop.table.check_integrity()
        self.happen()
        running = list(view.running)
        preempt = [sequence for sequence in running if self.generator.random() < 0.05]
        cells = view.free_tokens + sum(sequence.cells for sequence in preempt)
        slots = view.free_slots + len(preempt)
        chunks = self.chunks(view, preempt, cells, slots)
        if not chunks and not preempt and running:  # nobody has room: somebody must go
            preempt = running[-1:]
        return StepPlan(chunks, [sequence.id for sequence in preempt])

    def chunks(self, view: SchedulerView, preempt: list[SequenceView], cells: int, slots: int) -> list[Chunk]:
        """Tokens for anybody."""
        candidates = [sequence for sequence in [*view.running, *view.waiting] if sequence not in preempt]
        self.generator.shuffle(candidates)
        budget = view.max_tokens
        chunks: list[Chunk] = []
        for sequence in candidates:
            waits = sequence in view.waiting
            room = min(budget, cells - waits * sequence.cells)
            if room < 1 or (waits and slots < 1):
                continue
            tokens = self.generator.randint(1, min(sequence.pending, room))
            if self.generator.random() < 0.5:
                tokens = min(sequence.pending, room)
            chunks.append(Chunk(sequence.id, tokens))
            budget -= tokens
            cells -= tokens + waits * sequence.cells
            slots -= waits
        return chunks

    def happen(self) -> None:
        """Arrivals, cancellations, an operator who clears the cache."""
        assert self.loop is not None
        if len(self.askers) < ARRIVALS and self.generator.random() < 0.3:
            self.arrive()
        for asker in self.askers:
            if not asker.cancelled and self.generator.random() < 0.01:
                asker.cancelled = True
                self.loop.wake()
        if self.generator.random() < 0.01:
            self.loop.cache_clear(lambda _: None)
        if self.generator.random() < 0.05:
            self.loop.cache_report(lambda _: None)

    def arrive(self) -> None:
        """Any request: a new conversation, or a turn more of one."""
        assert self.loop is not None
        draw = self.generator
        tenant = draw.randint(0, 1)
        text = "".join(draw.choice("ab") for _ in range(draw.choice([0, 1, 20, 40])))
        if text and draw.random() < 0.7:
            text = "a" * draw.choice([18, 30, 40])
        prompt = f"<user>{text}"
        before = [each for owner, each in self.prompts if owner == tenant and len(each) < CONTEXT // 2]
        if before and draw.random() < 0.5:
            prompt = f"{draw.choice(before)}\n<user>"
        answer = draw.choice(["", "x", "yyyyy", "abcabcabc", "z" * 25])
        prompt += f"[say:{answer}]\n<assistant>"
        answers = draw.randint(1, 3) if draw.random() < 0.3 else 1
        self.submit(tenant, prompt, answer, answers)

    def submit(self, tenant: int, prompt: str, answer: str, answers: int) -> None:
        """Ask for it."""
        assert self.loop is not None
        draw = self.generator
        echo = tuple(bytes((byte,)) for byte in prompt.encode()) if draw.random() < 0.1 else None
        shown = prompt if echo is not None else ""
        limit = draw.randint(1, CONTEXT - len(prompt))
        logprobs = draw.choice([None, 1])
        asker = Asker(answers, shown + answer[:limit], prompt)
        self.askers.append(asker)
        self.prompts.append((tenant, prompt + answer))
        self.loop.submit(
            PreparedRequest(
                asker,
                list(prompt.encode()),
                draws=Draws(
                    sampling=SamplingParams(temperature=0, seed=1),
                    form=self.form(answer, answers, logprobs) if answer and draw.random() < 0.3 else None,
                ),
                ends=Ends(max_tokens=limit, end_tokens=frozenset({END})),
                choices=answers,
                shown=Shown(logprobs=logprobs, echo=echo),
                standing=Standing(scope=None if draw.random() < 0.1 else bytes([tenant]) * 32),
            )
        )

    def form(self, answer: str, answers: int, logprobs: int | None) -> Form:
        """What the answer must look like: as it would, or as something else from any place on."""
        others = [
            answer[: self.generator.randint(0, len(answer))] + "#" * 9 for _ in range(self.generator.randint(0, 2))
        ]
        grammar = _ENGINE.compile(Choice((answer, *others)))
        return Form(matchers=tuple(grammar.matcher() for _ in range(answers)), forcing=logprobs is None)


def check_cells(runner: Unreliable, loop: EngineLoop) -> None:
    """The runner holds what the ledger says."""
    ledger = loop.cache.cells
    held = {holder: cells for holder, cells in runner.cells.items() if cells}
    assert {holder: len(cells) for holder, cells in held.items()} == {
        holder: ledger.length(holder) for holder in ledger.leaves if ledger.length(holder)
    }
    assert runner.cells_used <= ledger.used
    for holder, resident in loop.cache.holders.residents.items():
        assert resident.node.key() == packed(held[holder])


@settings(max_examples=120, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    reuse=st.sampled_from(get_args(Reuse)),
    faults=st.sampled_from([0.0, 0.0, 0.03]),
    broken=st.sampled_from([0.0, 0.0, 0.2]),
    stores=st.sampled_from(["", "quick", "slow", "both", "bad"]),
    cut_min=st.sampled_from([1, 10, holders_module.CUT_MIN]),
)
def test_any_order_of_events(seed: int, reuse: Reuse, faults: float, broken: float, stores: str, cut_min: int) -> None:
    """Whatever is shared, kept, saved, lost and computed again."""
    with mock.patch.object(holders_module, "CUT_MIN", cut_min):
        any_order_of_events(seed, reuse, faults, broken, stores)


def any_order_of_events(seed: int, reuse: Reuse, faults: float, broken: float, stores: str) -> None:
    """Have requests come, go and fail by chance, until enough were answered; and look at everything."""
    generator = random.Random(seed)
    limits = RunnerLimits(
        context=CONTEXT,
        max_sequences=generator.randint(3, 5),
        kv_tokens=generator.randint(CONTEXT, 600),
        max_batch_tokens=generator.randint(5, 64),
        deterministic=generator.random() < 0.3,
        spare_sequences=0 if reuse == "none" else generator.randint(0, 6),
        reuse=reuse,
    )
    runner = Unreliable(limits, generator, faults, broken)
    scheduler = Chaos(generator)
    kinds = {
        "quick": [DictStore()],
        "slow": [DictStore(blocking=True)],
        "both": [DictStore(limit=5), DictStore(blocking=True)],
        "bad": [DictStore(generator=generator, faults=0.3), DictStore(blocking=True, limit=3)],
    }
    tiers = {f"store-{number}": store for number, store in enumerate(kinds.get(stores, []))}

    def stop_at_the_end(_: object) -> None:
        if not all(asker.over for asker in scheduler.askers):
            return
        check_cells(runner, loop)
        if len(scheduler.askers) < ARRIVALS:
            scheduler.arrive()
        else:
            loop.stop()

    loop = scheduler.loop = EngineLoop(
        runner, scheduler, lambda: None, stop_at_the_end, caching=Caching(stores=tiers, sharing="shared")
    )
    scheduler.arrive()
    loop.run()
    loop.table.check_integrity()
    check_cells(runner, loop)
    assert not runner.misuses, "asked for what such a runner cannot do, and computed anew instead"
    assert len(loop.table) == 0
    assert loop.cache.cells.busy == 0
    assert all(store.closed for store in tiers.values())
    for asker in scheduler.askers:
        check(asker, faults)


def check(asker: Asker, faults: float) -> None:
    """Every answer is its own."""
    assert all(life.final for life in asker.lives)
    assert asker.cancelled or asker.failed or len(asker.ends) == len(asker.lives)
    assert not asker.failed or faults
    for index, text in enumerate(asker.texts):
        if index in asker.ends:
            assert text == asker.expected
            assert 0 <= asker.ends[index].usage.cached_tokens < len(asker.prompt)
        else:
            assert asker.expected.startswith(text)
