"""The engine loop over a runner that plays scripts: batching, ends, cancellation, short pools, bad schedulers."""

from __future__ import annotations

import queue
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.channel.messages import RequestFailed, SequenceEvent
from jackfield.errors import KVExhausted, PluginError
from jackfield.lifecycle import REQUEST, LifeCycle, RequestState
from jackfield.ports.backend import Batch, ModelInfo, RunnerLimits
from jackfield.ports.scheduler import Chunk, Scheduler, SchedulerView, StepPlan
from jackfield.sampling import SamplingParams
from jackfield.testing.script import END
from jackfield.testing.scripted import ScriptedRunner
from jackfield.types import Finished, TextDelta
from jackfield.worker.engine.loop import EngineLoop
from jackfield.worker.engine.sequence import Draws, Ends, PreparedRequest
from jackfield_fcfs.scheduler import FcfsScheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jackfield.ports.observer import EngineStats

_INFO = ModelInfo(
    architecture="scripted", title="", description="", parameters=0, size_bytes=0, context_train=4096, vocabulary=257
)


class Asker:
    """Collects the events of one request."""

    def __init__(self) -> None:
        self.cancelled = False
        self.lives = [LifeCycle(REQUEST, RequestState.WAITING)]
        self.events: list[SequenceEvent] = []
        self.ended = threading.Event()
        self.first = threading.Event()

    def post(self, event: SequenceEvent) -> None:
        """Keep *event*."""
        self.events.append(event)
        self.first.set()
        if isinstance(event, Finished | RequestFailed):
            self.ended.set()

    @property
    def text(self) -> str:
        """All text so far."""
        return "".join(event.text for event in self.events if isinstance(event, TextDelta))

    @property
    def finished(self) -> Finished:
        """The last event, which must be a success."""
        last = self.events[-1]
        assert isinstance(last, Finished), last
        return last


class RecordingRunner(ScriptedRunner):
    """Also keeps the size of each batch, and how many sequences shared it."""

    def __init__(self, limits: RunnerLimits) -> None:
        super().__init__(_INFO, limits)
        self.batches: list[tuple[int, int]] = []

    def decode(self, batch: Batch) -> None:
        """Compute, and remember."""
        super().decode(batch)
        self.batches.append((batch.rows, len(set(batch.sequence[: batch.rows].tolist()))))


class SmallerRunner(RecordingRunner):
    """Has fewer cells than its limits say."""

    def decode(self, batch: Batch) -> None:
        """Compute what there is room for."""
        if sum(map(len, self.cells.values())) + batch.rows > SMALLER:
            raise KVExhausted("fewer cells than promised")
        super().decode(batch)


SMALLER = 120


def _limits(*, sequences: int = 4, kv: int = 4096, batch: int = 64, context: int = 4096) -> RunnerLimits:
    return RunnerLimits(context=context, max_sequences=sequences, kv_tokens=kv, max_batch_tokens=batch)


def _request(asker: Asker, script: str, *, max_tokens: int = 1000, stops: tuple[str, ...] = ()) -> PreparedRequest:
    prompt = list(f"<user>{script}\n<assistant>".encode())
    draws = Draws(sampling=SamplingParams(temperature=0, seed=1))
    return PreparedRequest(
        asker, prompt, draws=draws, ends=Ends(max_tokens=max_tokens, end_tokens=frozenset({END}), stops=stops)
    )


@contextmanager
def _running(
    limits: RunnerLimits,
    scheduler: Scheduler | None = None,
    report: Callable[[EngineStats], None] = lambda _: None,
    kind: type[RecordingRunner] = RecordingRunner,
) -> Iterator[tuple[EngineLoop, RecordingRunner]]:
    runner = kind(limits)
    loop = EngineLoop(runner, scheduler or FcfsScheduler(None), lambda: None, report)
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        yield loop, runner
    finally:
        loop.stop()
        thread.join(10)
        assert not thread.is_alive()
    loop.table.check_integrity()
    assert len(loop.table) == 0
    assert not any(runner.cells.values())


def _serve(loop: EngineLoop, scripts: list[str], max_tokens: int = 1000) -> list[Asker]:
    askers = [Asker() for _ in scripts]

    def arrive(_: object) -> None:  # together, however slow this thread is
        for asker, script in zip(askers, scripts, strict=True):
            loop.submit(_request(asker, script, max_tokens=max_tokens))

    loop.cache_report(arrive)
    for asker in askers:
        assert asker.ended.wait(20)
    return askers


def test_one_request() -> None:
    """The answer comes token by token, then the end with usage."""
    with _running(_limits()) as (loop, _):
        (asker,) = _serve(loop, ["[say:hello]"])
    assert asker.text == "hello"
    assert asker.lives[0].state is RequestState.FINISHED
    assert asker.finished.reason == "stop"
    assert asker.finished.usage.completion_tokens == len("hello") + 1
    assert asker.finished.usage.prompt_tokens == len("<user>[say:hello]\n<assistant>")


def test_requests_share_steps() -> None:
    """Several answers run in the same steps, each with its own text."""
    with _running(_limits()) as (loop, runner):
        askers = _serve(loop, [f"[repeat:30:{letter}]" for letter in "abcd"])
    assert [asker.text for asker in askers] == [letter * 30 for letter in "abcd"]
    assert max(sequences for _, sequences in runner.batches) == 4
    assert len(runner.batches) < 2 * 31


def test_a_long_prompt_comes_in_by_chunks_while_an_answer_runs() -> None:
    """No step is larger than the batch, and the running answer gets a token in each of them."""
    with _running(_limits(batch=16)) as (loop, runner):
        running = Asker()
        loop.submit(_request(running, "[delay:1][repeat:60:a]"))
        assert running.first.wait(10)
        (late,) = _serve(loop, ["x" * 300 + "[say:done]"])
        assert running.ended.wait(20)
    assert late.text == "done"
    assert running.text == "a" * 60
    assert max(rows for rows, _ in runner.batches) <= 16
    assert sum(1 for rows, sequences in runner.batches if rows == 16 and sequences == 2) >= 15


@pytest.mark.parametrize("limit", [1, 2, 7])
def test_max_tokens_ends_with_length(limit: int) -> None:
    """Exactly as many tokens as asked for."""
    with _running(_limits()) as (loop, _):
        (asker,) = _serve(loop, ["[repeat:50:z]"], max_tokens=limit)
    assert asker.text == "z" * limit
    assert asker.finished.reason == "length"
    assert asker.finished.usage.completion_tokens == limit


def test_stop_string_ends_and_is_not_shown() -> None:
    """The answer ends before the stop string, although it came in several tokens."""
    with _running(_limits()) as (loop, _):
        asker = Asker()
        loop.submit(_request(asker, "[say:one STOP two]", stops=("STOP",)))
        assert asker.ended.wait(10)
    assert asker.text == "one "
    assert asker.finished.reason == "stop"


def test_cancelled_while_running_frees_the_slot_within_a_step() -> None:
    """Nothing comes after the cancellation, and the slot serves the next request."""
    with _running(_limits(sequences=1)) as (loop, runner):
        asker = Asker()
        loop.submit(_request(asker, "[delay:1][repeat:9999:a]", max_tokens=3000))
        assert asker.first.wait(10)
        asker.cancelled = True
        loop.wake()
        (after,) = _serve(loop, ["[say:next]"])
        seen = len(asker.events)
        assert not asker.ended.is_set()
    assert after.text == "next"
    assert len(asker.events) == seen
    assert sum(rows for rows, _ in runner.batches) < 1000


def test_cancelled_while_waiting_never_runs() -> None:
    """A request that is cancelled in the queue costs no step."""
    with _running(_limits(sequences=1)) as (loop, _):
        first, second = Asker(), Asker()
        loop.submit(_request(first, "[delay:2][repeat:20:a]"))
        loop.submit(_request(second, "[say:never]"))
        assert first.first.wait(10)
        second.cancelled = True
        loop.wake()
        assert first.ended.wait(10)
    assert second.events == []
    assert second.lives[0].state is RequestState.CANCELLED


def test_more_requests_than_slots_are_served_in_order() -> None:
    """First come, first served."""
    order: queue.SimpleQueue[int] = queue.SimpleQueue()

    class Ordered(Asker):
        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

        def post(self, event: SequenceEvent) -> None:
            if not self.events:
                order.put(self.number)
            super().post(event)

    with _running(_limits(sequences=2)) as (loop, _):
        askers = [Ordered(number) for number in range(8)]
        for asker in askers:
            loop.submit(_request(asker, "[repeat:5:a]"))
        assert all(asker.ended.wait(10) for asker in askers)
    assert [order.get_nowait() for _ in range(8)] == list(range(8))


def test_a_short_pool_preempts_and_resumes_with_the_same_text() -> None:
    """Answers that outgrow the pool together all finish, each with its own text; the pool is never overrun."""
    stats: list[EngineStats] = []
    with _running(_limits(kv=160, context=160), report=stats.append) as (loop, _):
        askers = _serve(loop, [f"[repeat:90:{letter}]" for letter in "abc"])
    assert [asker.text for asker in askers] == [letter * 90 for letter in "abc"]
    assert stats[-1].preemptions > 0
    assert max(report.kv_used for report in stats) <= 160


def test_a_pool_shorter_than_promised_serves_one_after_the_other() -> None:
    """What has no room beside others waits for them and keeps nobody from going on; what has none alone fails."""
    with _running(_limits(), kind=SmallerRunner) as (loop, _):
        askers = _serve(loop, ["[repeat:50:a]", "[repeat:50:b]", "[repeat:50:c]", "[repeat:200:d]"])
    assert [asker.text for asker in askers[:3]] == ["a" * 50, "b" * 50, "c" * 50]
    assert isinstance(askers[3].events[-1], RequestFailed)


def test_a_failed_decode_fails_its_sequences_and_no_others() -> None:
    """The fault reaches whoever was in the batch; the loop serves on."""
    with _running(_limits()) as (loop, _):
        (failed,) = _serve(loop, ["[fail:3][repeat:9:a]"])
        (after,) = _serve(loop, ["[say:fine]"])
    last = failed.events[-1]
    assert isinstance(last, RequestFailed)
    assert last.error.code == "backend_fault"
    assert failed.text == "aaa"
    assert after.text == "fine"


def test_a_fault_costs_the_culprit_and_nobody_else() -> None:
    """Sequences that shared the broken call are computed anew, each alone; all but the culprit give their text."""
    with _running(_limits()) as (loop, _):
        askers = _serve(loop, ["[repeat:30:a]", "[fail:5][repeat:30:b]", "[repeat:30:c]"])
    assert [asker.text for asker in askers] == ["a" * 30, "b" * 5, "c" * 30]
    assert isinstance(askers[1].events[-1], RequestFailed)
    assert {askers[0].finished.reason, askers[2].finished.reason} == {"stop"}


def test_stopping_fails_what_runs() -> None:
    """Whoever still runs when the loop ends is told."""
    asker = Asker()
    with _running(_limits()) as (loop, _):
        loop.submit(_request(asker, "[delay:1][repeat:9999:a]", max_tokens=3000))
        assert asker.first.wait(10)
    last = asker.events[-1]
    assert isinstance(last, RequestFailed)


class _Planned:
    """A scheduler that answers whatever it is told to."""

    def __init__(self, plan: Callable[[SchedulerView], StepPlan]) -> None:
        self._plan = plan

    def plan(self, view: SchedulerView) -> StepPlan:
        return self._plan(view)


def _raise(_: SchedulerView) -> StepPlan:
    raise ZeroDivisionError("oops")


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (lambda view: StepPlan([Chunk(999, 1)]), "does not exist"),
        (lambda view: StepPlan([Chunk(view.waiting[0].id, 0)]), "more tokens"),
        (lambda view: StepPlan([Chunk(view.waiting[0].id, 10_000)]), "more tokens than the step"),
        (lambda view: StepPlan([Chunk(view.waiting[0].id, 1)] * 2), "twice"),
        (lambda view: StepPlan([], [view.waiting[0].id]), "does not run"),
        (lambda view: StepPlan([Chunk(s.id, 1) for s in view.waiting]), "slots"),
        (_raise, "ZeroDivisionError: oops"),
    ],
)
def test_a_scheduler_that_breaks_its_contract_ends_the_loop(
    plan: Callable[[SchedulerView], StepPlan], message: str
) -> None:
    """The loop stops with an error that says which rule was broken, and nobody waits for ever."""
    loop = EngineLoop(RecordingRunner(_limits(sequences=1)), _Planned(plan), lambda: None, lambda _: None)
    askers = [Asker(), Asker()]
    for asker in askers:
        loop.submit(_request(asker, "[say:x]"))
    with pytest.raises(PluginError, match=message):
        loop.run()
    assert all(asker.ended.is_set() for asker in askers)


def test_stats_add_up() -> None:
    """Counters say what was computed; the loop's own share is part of the step."""
    stats: list[EngineStats] = []
    with _running(_limits(), report=stats.append) as (loop, _):
        (asker,) = _serve(loop, ["[repeat:40:a]"])
    last = stats[-1]
    assert last.prompt_tokens == asker.finished.usage.prompt_tokens
    assert last.generated_tokens == asker.finished.usage.completion_tokens
    assert 0 < last.own_s < last.step_s
    assert (last.running, last.waiting, last.kv_used) == (0, 0, 0)


_WORK = st.lists(
    st.tuples(st.integers(1, 60), st.integers(0, 40), st.integers(1, 50), st.booleans()), min_size=1, max_size=12
)


@settings(max_examples=60, deadline=None)
@given(work=_WORK, sequences=st.integers(1, 5), batch=st.integers(5, 40), kv=st.integers(256, 400))
def test_random_load_finishes_and_adds_up(
    work: list[tuple[int, int, int, bool]], sequences: int, batch: int, kv: int
) -> None:
    """All that is not cancelled finishes with its text, and slots and cells add up."""
    limits = _limits(sequences=sequences, kv=kv, batch=batch, context=256)
    askers = []
    with _running(limits) as (loop, _):
        for padding, length, max_tokens, cancel in work:
            asker = Asker()
            askers.append(asker)
            loop.submit(_request(asker, "p" * padding + f"[repeat:{length}:q]", max_tokens=max_tokens))
            if cancel:
                asker.cancelled = True
                loop.wake()
        kept = [(asker, item) for asker, item in zip(askers, work, strict=True) if not item[3]]
        assert all(asker.ended.wait(20) for asker, _ in kept)
    for asker, (_, length, max_tokens, _) in kept:
        assert asker.text == "q" * min(length, max_tokens)
        assert asker.finished.reason == ("stop" if length < max_tokens else "length")
