"""The pipeline without sockets: several answers, pooled requests, deadlines, and workers that talk nonsense."""

from __future__ import annotations

import asyncio
import struct
import time
import tracemalloc
from typing import TYPE_CHECKING, TypeVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kernel.gateway.played import Transport
from tests.kernel.gateway.walks import walk

from jackfield.channel.messages import Cancel, Events, RequestFailed, Submit, WorkerStatus, to_gateway
from jackfield.chat import ChatFormat
from jackfield.context import RequestContext, Room
from jackfield.error_record import ErrorRecord
from jackfield.errors import (
    BackendFault,
    DeadlineExceeded,
    DeadlineInfeasible,
    InvalidRequest,
    JackfieldError,
    PolicyDenied,
    QueueFull,
    UnsupportedField,
    WorkerDied,
)
from jackfield.gateway.dialects import Dialects
from jackfield.gateway.forecast import Service
from jackfield.gateway.observing import Observers
from jackfield.gateway.pipeline import Pipeline
from jackfield.gateway.receiver import PACKED_AT, Receiver
from jackfield.manifest import KernelConfig, Manifest, ModelConfig
from jackfield.pooled import Pooled, PoolRequest
from jackfield.ports.backend import ModelInfo, RunnerLimits
from jackfield.ports.identity import Principal
from jackfield.ports.observer import EngineStats
from jackfield.types import (
    Finished,
    GenerateRequest,
    Started,
    TextDelta,
    TextPrompt,
    Timings,
    TokenLogprob,
    TopLogprob,
    Usage,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from jackfield.channel.messages import SequenceEvent
    from jackfield.types import GenerateEvent

INFO = ModelInfo(
    architecture="llama", title="t", description="d", parameters=2, size_bytes=2, context_train=64, vocabulary=9
)
POOLED = msgspec.structs.replace(INFO, tasks=("embed", "rerank"))
LIMITS = RunnerLimits(context=64, max_sequences=4, kv_tokens=128, max_batch_tokens=32)
GENERATE = GenerateRequest(model="demo", prompt=TextPrompt("hi"))
GENERATE_LONG = GenerateRequest(model="demo", prompt=TextPrompt("word" * 2000))
POOL = PoolRequest(model="demo", task="embed", inputs=(TextPrompt("a"), TextPrompt("b")))
ROW = struct.pack("<2f", 0.6, 0.8)
LOGPROB = TokenLogprob(1, b"x", -0.5)
T = TypeVar("T")


class Bench:
    """A pipeline with one model, whose worker is played."""

    def __init__(self, info: ModelInfo = INFO, queue: int = 2) -> None:
        models = {"demo": ModelConfig(source="demo.gguf", max_sequences=4)}
        manifest = Manifest(enabled=(), kernel=KernelConfig(queue=queue), models=models)
        self.pipeline = Pipeline(manifest, Observers({}), 0, Dialects({}, manifest.models), walk())
        self.context = RequestContext("req", "/", "")
        self.transport = Transport()
        self.link = self.pipeline.connect("demo")
        self.link.connection_made(self.transport)
        self.pipeline.worker_changed(WorkerStatus(model="demo", state="ready", info=info, limits=LIMITS))

    def say(self, *events: SequenceEvent, number: int = 1) -> None:
        """The worker's events of a request."""
        self.link.data_received(to_gateway().encode(Events([(number, event) for event in events])))

    async def generate(self, request: GenerateRequest = GENERATE) -> list[GenerateEvent]:
        """All events of a generation."""
        return [event async for event in self.pipeline.generate(self.context, request)]

    def begin(self, work: Coroutine[None, None, T]) -> asyncio.Task[T]:
        """Start something and let it get to its worker."""
        return asyncio.ensure_future(work)


def principal(authenticator: str = "keys", name: str = "ann", priority: int = 0) -> Principal:
    """A caller."""
    return Principal(id=name, name=name, fingerprint="abc123", authenticator=authenticator, priority=priority)


def finished(index: int = 0, tokens: int = 2) -> Finished:
    """The end of an answer that held its slot for two seconds."""
    return Finished("stop", Usage(3, tokens, 1), Timings(0, 1, 1), index)


def play(scenario: Callable[[Bench], Coroutine[None, None, None]], info: ModelInfo = INFO, queue: int = 2) -> None:
    """Run *scenario* on an event loop."""

    async def run() -> None:
        await asyncio.wait_for(scenario(Bench(info, queue)), 10)

    asyncio.run(run())


async def turn() -> None:
    """Let tasks run that are ready."""
    for _ in range(3):
        await asyncio.sleep(0)


# --- whom it is for ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("allowed", "asked", "given"),
    [
        (None, None, None),
        (None, -100, -100),
        (0, None, None),
        (0, 0, 0),
        (0, 7, 7),
        (-10, None, None),
        (-10, -10, -10),
        (-10, 5, 5),
        (10, None, 10),
        (10, 10, 10),
        (10, 100, 100),
    ],
)
def test_priorities_within_what_the_caller_has(allowed: int | None, asked: int | None, given: int | None) -> None:
    """Who asks for none is as urgent as everybody, or as urgent as allowed if that is less."""

    async def scenario(bench: Bench) -> None:
        bench.context.principal = None if allowed is None else principal(priority=allowed)
        task = bench.begin(bench.generate(msgspec.structs.replace(GENERATE, priority=asked)))
        await turn()
        [sent] = bench.transport.sent
        assert isinstance(sent, Submit)
        assert isinstance(sent.request, GenerateRequest)
        assert sent.request.priority == given
        task.cancel()

    play(scenario)


@pytest.mark.parametrize(("allowed", "asked"), [(0, -1), (10, 9), (10, 0), (-10, -11)])
def test_more_urgent_than_allowed(allowed: int, asked: int) -> None:
    """403, with the field and what is allowed; no worker hears of it."""

    async def scenario(bench: Bench) -> None:
        bench.context.principal = principal(priority=allowed)
        with pytest.raises(PolicyDenied, match=f"priorities from {allowed} on .* not for {asked}") as refused:
            await bench.generate(msgspec.structs.replace(GENERATE, priority=asked))
        assert refused.value.param == "priority"
        assert bench.context.code == "policy_denied"
        assert not bench.transport.sent

    play(scenario)


@pytest.mark.parametrize(("info", "request_"), [(INFO, GENERATE), (POOLED, POOL)], ids=["generation", "pooled request"])
def test_workers_know_whom_they_serve(info: ModelInfo, request_: GenerateRequest | PoolRequest) -> None:
    """By authenticator and id, so that nobody shares a tenant by accident."""

    async def ask(bench: Bench) -> None:
        if isinstance(request_, GenerateRequest):
            await bench.generate(request_)
        else:
            await bench.pipeline.pool(bench.context, request_)

    async def scenario(bench: Bench) -> None:
        for caller in (None, principal("keys", "ann"), principal("oidc", "ann"), principal("oidc", "bob")):
            bench.context.principal = caller
            task = bench.begin(ask(bench))
            await turn()
            task.cancel()
            await turn()
        tenants = [sent.tenant for sent in bench.transport.sent if isinstance(sent, Submit)]
        assert tenants == ["", "keys/ann", "oidc/ann", "oidc/bob"]

    play(scenario, info, queue=4)


# --- several answers --------------------------------------------------------------------------------------------------


def test_all_answers_arrive_and_are_accounted_once() -> None:
    """The prompt counts once, completions all; time to the first token is of the first of them."""

    async def scenario(bench: Bench) -> None:
        task = bench.begin(bench.generate(msgspec.structs.replace(GENERATE, n=3)))
        await turn()
        bench.say(Started(3, 9), TextDelta("a", 1, 1), TextDelta("b", 1, 0))
        bench.say(finished(1), TextDelta("c", 1, 2), finished(0, 5), finished(2))
        events = await task
        texts = {event.index: event.text for event in events if isinstance(event, TextDelta)}
        assert texts == {0: "b", 1: "a", 2: "c"}
        assert sorted(event.index for event in events if isinstance(event, Finished)) == [0, 1, 2]
        assert bench.context.finished is not None
        assert bench.context.finished.usage == Usage(3, 9, 1)
        assert (bench.context.prompt_tokens, bench.context.completion_tokens) == (3, 3)
        assert bench.context.gaps == []
        assert bench.link.load.in_flight == 0

    play(scenario)


def test_text_that_came_at_once_says_what_it_was_made_of() -> None:
    """Whoever counts tokens of a part of it must be able to."""

    async def scenario(bench: Bench) -> None:
        task = bench.begin(bench.generate())
        await turn()
        bench.say(Started(3, 9), TextDelta("ab", 2), TextDelta("c", 1), finished(tokens=3))
        _, text, _ = await task
        assert text == TextDelta("abc", 3, parts=((2, 2), (1, 1)))

    play(scenario)


def test_what_the_model_can_do_is_said_as_its_worker_says_it() -> None:
    """Another file may have been loaded since somebody asked."""

    async def scenario(bench: Bench) -> None:
        for info in (INFO, POOLED):
            bench.pipeline.worker_changed(WorkerStatus(model="demo", state="ready", info=info, limits=LIMITS))
            for _ in range(2):
                [card] = bench.pipeline.models(bench.context)
                assert card.capabilities is not None
                assert card.capabilities.tasks == info.tasks

    play(scenario)


def test_what_was_cached_is_what_the_first_answer_found() -> None:
    """The others find what that one has computed, whichever ends first."""

    async def scenario(bench: Bench) -> None:
        task = bench.begin(bench.generate(msgspec.structs.replace(GENERATE, n=2)))
        await turn()
        late = Finished("stop", Usage(9, 4, 8), Timings(0, 1, 1), 1)
        bench.say(Started(9, 9), late, Finished("stop", Usage(9, 2, 0), Timings(0, 1, 1), 0))
        await task
        assert bench.context.finished is not None
        assert bench.context.finished.usage == Usage(9, 6, 0)

    play(scenario)


def test_each_answer_takes_a_place() -> None:
    """Four slots and two places: a request for four answers leaves two; one answer's end makes room."""

    async def scenario(bench: Bench) -> None:
        task = bench.begin(bench.generate(msgspec.structs.replace(GENERATE, n=4)))
        await turn()
        assert bench.link.load.in_flight == 4
        assert bench.context.room == Room(6, 2, 0.0)
        with pytest.raises(QueueFull) as refused:
            await bench.generate(msgspec.structs.replace(GENERATE, n=3))
        assert refused.value.room == Room(6, 2, refused.value.retry_after or 0.0)
        bench.say(Started(3, 9), finished(2))
        assert bench.link.load.in_flight == 3
        second = bench.begin(bench.generate(msgspec.structs.replace(GENERATE, n=3)))
        await turn()
        assert bench.link.load.in_flight == 6
        for each in (task, second):
            each.cancel()
        await asyncio.gather(task, second, return_exceptions=True)
        assert bench.link.load.in_flight == 0
        assert {sent.id for sent in bench.transport.sent if isinstance(sent, Cancel)} == {1, 2}

    play(scenario)


def test_the_revision_changes_with_what_answers_depend_on() -> None:
    """The template, the context; not what memory allows this time, nor that a worker was restarted."""

    async def scenario(bench: Bench) -> None:
        async def revision(**changes: object) -> str:
            status = WorkerStatus(model="demo", state="ready", info=INFO, limits=LIMITS)
            bench.pipeline.worker_changed(msgspec.structs.replace(status, **changes))
            task = bench.begin(bench.generate())
            await turn()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return bench.context.revision

        first = await revision()
        assert len(first) == 10
        assert await revision(restarts=3, limits=msgspec.structs.replace(LIMITS, kv_tokens=999)) == first
        assert await revision(limits=msgspec.structs.replace(LIMITS, state_layout="q8_0")) != first
        assert await revision(chat=ChatFormat("{{ messages }}")) != first

    play(scenario)


@pytest.mark.parametrize(("n", "param"), [(5, "n"), (128, "n")])
def test_too_many_answers_are_refused_before_the_worker(n: int, param: str) -> None:
    """400 that names the field."""

    async def scenario(bench: Bench) -> None:
        with pytest.raises(InvalidRequest, match="at most 4") as caught:
            await bench.generate(msgspec.structs.replace(GENERATE, n=n))
        assert caught.value.param == param
        assert bench.transport.sent == []
        assert bench.context.code == "invalid_value"

    play(scenario)


def test_an_echo_is_no_token() -> None:
    """Times are of what was drawn."""
    context = RequestContext("r", "/", "")
    receiver = Receiver(context)
    receiver.put(Started(3, 9), 1.0)
    receiver.put(TextDelta("the prompt", 0), 2.0)
    receiver.put(TextDelta("a", 1), 3.0)
    assert (context.first_token, context.completion_tokens, context.gaps) == (3.0, 1, [])


@pytest.mark.parametrize(
    ("request_", "events"),
    [
        pytest.param(GENERATE, [TextDelta("x", 1, 1)], id="text of an answer that nobody asked for"),
        pytest.param(GENERATE, [TextDelta("x", 1, -1)], id="negative index"),
        pytest.param(GENERATE, [finished(1)], id="end of an answer that nobody asked for"),
        pytest.param(msgspec.structs.replace(GENERATE, n=2), [finished(1), finished(1)], id="two ends"),
        pytest.param(msgspec.structs.replace(GENERATE, n=2), [finished(1), TextDelta("x", 1, 1)], id="text after end"),
        pytest.param(GENERATE, [TextDelta("x", 1, 0, (LOGPROB,))], id="scores that nobody asked for"),
        pytest.param(GENERATE, [Finished("stop", Usage(3, 1), Timings(0, 1, 1), logprobs=(LOGPROB,))], id="at the end"),
        pytest.param(GENERATE, [Pooled((ROW,), 1)], id="a pooled result"),
    ],
)
def test_a_worker_that_talks_nonsense_is_not_believed(request_: GenerateRequest, events: list[SequenceEvent]) -> None:
    """Its connection ends, and what ran there fails."""

    async def scenario(bench: Bench) -> None:
        task = bench.begin(bench.generate(request_))
        await turn()
        bench.say(Started(3, 9), *events)
        assert bench.transport.closed
        with pytest.raises(WorkerDied):
            await task

    play(scenario)


class Taker:
    """A receiver of three answers, what was put into it, and what came out."""

    def __init__(self) -> None:
        self.receiver = Receiver(RequestContext("r", "/", ""), 3, scored=True)
        self.given = ["", "", ""]
        self.taken = ["", "", ""]
        self.entries: list[list[int]] = [[], [], []]
        self.ends: list[int] = []
        self._untaken = False

    def put(self, index: int, number: int) -> None:
        """Text that says *number*."""
        self.given[index] += f"{number} "
        self.receiver.put(TextDelta(f"{number} ", 1, index, (TokenLogprob(number, b"", -1.0),)), 1.0)
        self._untaken = True

    async def take_if_any(self) -> None:
        """One event, where there is one for certain."""
        if self._untaken:
            self._untaken = False
            await self.take()

    async def take(self) -> None:
        """One event."""
        event = await self.receiver.next()
        if isinstance(event, Finished):
            self.ends.append(event.index)
            assert self.taken[event.index] == self.given[event.index]
        elif isinstance(event, TextDelta):
            assert event.index not in self.ends
            self.taken[event.index] += event.text
            self.entries[event.index] += [entry.token for entry in event.logprobs]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["text", "flood", "end", "read"])), max_size=60))
def test_any_interleaving_of_answers_and_reads(steps: list[tuple[int, str]]) -> None:
    """Each answer's text is whole and in order, its end comes last, with the entries that belong to it."""

    async def run() -> None:
        taker = Taker()
        taker.receiver.put(Started(1, 9), 0.0)
        assert await taker.receiver.next() == Started(1, 9)
        ended: set[int] = set()
        for number, (index, what) in enumerate([*steps, (0, "end"), (1, "end"), (2, "end")]):
            if what == "read":
                await taker.take_if_any()
            elif index not in ended and what == "text":
                taker.put(index, number)
            elif index not in ended and what == "flood":
                for late in range(2 * PACKED_AT + 7):
                    taker.put(index, number * 1000 + late)
            elif index not in ended:
                ended.add(index)
                assert taker.receiver.put(finished(index), 1.0) == (len(ended) == 3)
        while len(taker.ends) < 3:
            await taker.take()
        assert taker.taken == taker.given
        for index, text in enumerate(taker.taken):
            assert [str(entry) for entry in taker.entries[index]] == text.split()

    asyncio.run(run())


def test_what_nobody_takes_is_small() -> None:
    """A thousand tokens with 20 likely ones each: as objects they would take 3.5 MB."""

    async def run() -> None:
        receiver = Receiver(RequestContext("r", "/", ""), scored=True)
        receiver.put(Started(1, 2000), 0.0)
        tracemalloc.start()
        for number in range(1000):
            likely = tuple(TopLogprob(1000 + each, b" the %d" % each, -1.5 * each) for each in range(20))
            receiver.put(TextDelta(" the", 1, 0, (TokenLogprob(number, b" the", -0.5, likely),)), 1.0)
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert held < 1_000_000
        await receiver.next()
        taken = 0
        while taken < 1000:
            event = await receiver.next()
            assert isinstance(event, TextDelta)
            assert [entry.token for entry in event.logprobs] == list(range(taken, taken + event.tokens))
            assert all(len(entry.top) == 20 for entry in event.logprobs)
            taken += event.tokens

    asyncio.run(run())


# --- pooled requests --------------------------------------------------------------------------------------------------


def test_a_pooled_request_gets_its_result() -> None:
    """And its tokens are accounted."""

    async def scenario(bench: Bench) -> None:
        task = bench.begin(bench.pipeline.pool(bench.context, POOL))
        await turn()
        assert isinstance(bench.transport.sent[0], Submit)
        assert bench.transport.sent[0].request == POOL
        bench.say(Pooled((ROW, ROW), 7, queue_s=0.25))
        assert (await task).rows == (ROW, ROW)
        assert bench.context.queue_s == 0.25
        assert (bench.context.prompt_tokens, bench.context.model, bench.context.code) == (7, "demo", None)
        assert bench.link.load.in_flight == 0

    play(scenario, POOLED)


@pytest.mark.parametrize(("dimensions", "refused"), [(None, False), (8, False), (4, True), (9, True)])
def test_vectors_are_shortened_where_the_operator_says_so(dimensions: int | None, *, refused: bool) -> None:
    """A part of any other model's vectors is no vector."""

    async def scenario(bench: Bench) -> None:
        asked = msgspec.structs.replace(POOL, dimensions=dimensions)
        if refused:
            with pytest.raises(UnsupportedField) as caught:
                await bench.pipeline.pool(bench.context, asked)
            assert caught.value.param == "dimensions"
            assert bench.transport.sent == []
            replica = bench.pipeline.replicas["demo"]
            replica.config = msgspec.structs.replace(replica.config, matryoshka=True)
        task = bench.begin(bench.pipeline.pool(bench.context, asked))
        await turn()
        assert len(bench.transport.sent) == 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    play(scenario, msgspec.structs.replace(POOLED, embedding_size=8))


@pytest.mark.parametrize(
    ("request_", "info", "can"),
    [
        (GENERATE, POOLED, "can embed text and score how well documents fit a query; it cannot generate text"),
        (POOL, INFO, "can generate text; it cannot embed text"),
        (msgspec.structs.replace(POOL, task="classify"), POOLED, "cannot classify text"),
    ],
)
def test_a_task_that_the_model_does_not_do_is_refused_before_the_worker(
    request_: GenerateRequest | PoolRequest, info: ModelInfo, can: str
) -> None:
    """With what it does; also while the model is being restarted."""

    async def scenario(bench: Bench) -> None:
        bench.pipeline.worker_changed(WorkerStatus(model="demo", state="backoff"))
        asked = (
            bench.pipeline.pool(bench.context, request_)
            if isinstance(request_, PoolRequest)
            else bench.generate(request_)
        )
        with pytest.raises(UnsupportedField, match=can):
            await asked
        assert bench.transport.sent == []

    play(scenario, info)


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(Pooled((ROW,), 1), id="too few rows"),
        pytest.param(Pooled((ROW, ROW[:4]), 1), id="uneven rows"),
        pytest.param(Pooled((b"abc", b"abc"), 1), id="no floats"),
        pytest.param(Pooled((b"", b""), 1), id="empty rows"),
        pytest.param(Started(1, 1), id="a start"),
        pytest.param(finished(), id="an end"),
    ],
)
def test_a_result_of_another_shape_is_not_believed(event: SequenceEvent) -> None:
    """The connection ends."""

    async def scenario(bench: Bench) -> None:
        task = bench.begin(bench.pipeline.pool(bench.context, POOL))
        await turn()
        bench.say(event)
        assert bench.transport.closed
        with pytest.raises(WorkerDied):
            await task

    play(scenario, POOLED)


def test_a_pooled_request_can_fail_and_be_cancelled() -> None:
    """The worker's error is the client's; a client that leaves costs no more calls."""

    async def scenario(bench: Bench) -> None:
        task = bench.begin(bench.pipeline.pool(bench.context, POOL))
        await turn()
        bench.say(RequestFailed(ErrorRecord.of(BackendFault("broken"))))
        with pytest.raises(BackendFault, match="broken"):
            await task
        assert bench.context.code == "backend_fault"
        task = bench.begin(bench.pipeline.pool(bench.context, POOL))
        await turn()
        task.cancel()
        await turn()
        assert bench.transport.sent[-1] == Cancel(2)
        assert bench.link.load.in_flight == 0

    play(scenario, POOLED)


def test_pooled_requests_wait_for_each_other() -> None:
    """One is served at a time, so that one and the queue is all there is room for."""

    async def scenario(bench: Bench) -> None:
        tasks = [bench.begin(bench.pipeline.pool(bench.context, POOL)) for _ in range(3)]
        await turn()
        with pytest.raises(QueueFull):
            await bench.pipeline.pool(bench.context, POOL)
        for number in (1, 2, 3):
            bench.say(Pooled((ROW, ROW), 7), number=number)
        await asyncio.gather(*tasks)

    play(scenario, POOLED)


# --- deadlines --------------------------------------------------------------------------------------------------------


def test_the_worker_is_told_the_time_that_is_left() -> None:
    """In seconds from now: no clock is shared."""

    async def scenario(bench: Bench) -> None:
        bench.context.deadline = time.monotonic() + 5
        task = bench.begin(bench.generate())
        await turn()
        submit = bench.transport.sent[0]
        assert isinstance(submit, Submit)
        assert submit.timeout_s is not None
        assert 4 < submit.timeout_s <= 5
        bench.say(Started(3, 9), finished())
        await task

    play(scenario)


@pytest.mark.parametrize("pooled", [True, False])
def test_a_silent_worker_keeps_nobody_beyond_the_deadline(*, pooled: bool) -> None:
    """The gateway gives up by itself, and tells the worker."""

    async def scenario(bench: Bench) -> None:
        bench.context.deadline = time.monotonic() + 0.05
        with pytest.raises(DeadlineExceeded):
            await (bench.pipeline.pool(bench.context, POOL) if pooled else bench.generate())
        assert bench.transport.sent[-1] == Cancel(1)
        assert bench.context.code == "deadline_exceeded"
        assert bench.link.load.in_flight == 0
        bench.say(Started(3, 9))
        assert not bench.transport.closed

    play(scenario, POOLED if pooled else INFO)


def test_who_is_late_already_is_refused() -> None:
    """Nothing is sent to the worker."""

    async def scenario(bench: Bench) -> None:
        bench.context.deadline = time.monotonic() - 1
        with pytest.raises(DeadlineExceeded):
            await bench.generate()
        assert bench.transport.sent == []

    play(scenario)


@pytest.mark.parametrize(
    ("seconds", "refused"),
    [
        pytest.param(0.6, True, id="two seconds each, four at a time: half a second for every one that waits"),
        pytest.param(60.0, False, id="long enough"),
        pytest.param(None, False, id="no deadline"),
    ],
)
def test_who_cannot_be_in_time_is_refused_at_once(seconds: float | None, *, refused: bool) -> None:
    """With a delay after which it may be better, and told from a full queue."""

    async def scenario(bench: Bench) -> None:
        first = [bench.begin(bench.generate()) for _ in range(5)]
        await turn()
        bench.say(Started(3, 9), finished())
        rest = [bench.begin(bench.generate()) for _ in range(2)]
        await turn()
        assert bench.link.load.in_flight == 6
        if seconds is not None:
            bench.context.deadline = time.monotonic() + seconds
        if refused:
            with pytest.raises(DeadlineInfeasible) as caught:
                await bench.generate()
            assert caught.value.retry_after is not None
            assert caught.value.retry_after >= 1
        else:
            rest.append(bench.begin(bench.generate()))
            await turn()
            assert bench.link.load.in_flight == 7
        for task in [*first, *rest]:
            task.cancel()
        await asyncio.gather(*first, *rest, return_exceptions=True)

    play(scenario, queue=9)


def test_an_idle_model_takes_whoever_comes() -> None:
    """However short the time and slow the model: nobody waits."""

    async def scenario(bench: Bench) -> None:
        bench.link._served(Service(100.0))
        bench.context.deadline = time.monotonic() + 0.5
        task = bench.begin(bench.generate())
        await turn()
        bench.say(Started(3, 9), finished())
        assert len(await task) == 2

    play(scenario)


def test_whatever_fails_is_one_of_ours() -> None:
    """A dead worker fails pooled requests and all answers alike."""

    async def scenario(bench: Bench) -> None:
        tasks = [bench.begin(bench.generate(msgspec.structs.replace(GENERATE, n=2)))]
        await turn()
        bench.link.connection_lost(None)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, JackfieldError) for result in results)
        assert bench.link.load.in_flight == 0

    play(scenario)


def test_what_a_worker_reports_and_was_sent_since_decides() -> None:
    """Places are free, and yet who cannot wait is refused: for what is computed, and for prompts under way."""

    async def scenario(bench: Bench) -> None:
        report = EngineStats(1, 0, 0, 128, 9, 0, 0, 0, 1.0, 0.0, 0.0, waiting_tokens=3000, wait_s=3.0)
        bench.link._served(Service(held_s=1.0, prefill_s=1.0, prompt_tokens=1001))
        bench.link.data_received(to_gateway().encode(report))
        bench.context.deadline = time.monotonic() + 2.0
        with pytest.raises(DeadlineInfeasible) as refused:
            await bench.generate()
        assert refused.value.retry_after == pytest.approx(3.0, abs=0.5)
        bench.context.deadline = None
        tasks = [bench.begin(bench.generate(GENERATE_LONG)) for _ in range(3)]
        await turn()
        assert bench.link.load == (3, 6000)
        bench.say(Started(8000, 9), number=1)
        assert bench.link.load == (3, 12_000)
        bench.link.data_received(to_gateway().encode(msgspec.structs.replace(report, wait_s=10.0)))
        assert bench.link.load == (3, 4000)
        bench.context.deadline = time.monotonic() + 12.0
        with pytest.raises(DeadlineInfeasible) as refused:
            await bench.generate()
        assert refused.value.retry_after == pytest.approx(14.0, abs=0.5)
        for task in tasks:
            task.cancel()
        await turn()
        assert bench.link.load == (0, 0)

    play(scenario)


def test_a_context_that_nobody_releases_is_forgotten_once_its_work_has_ended() -> None:
    """A frontend's own work has contexts that belong to no handler; the server runs for months."""

    async def scenario() -> None:
        bench = Bench()
        work = bench.begin(bench.generate())
        await asyncio.sleep(0)
        bench.say(Started(1, 8), Finished("stop", Usage(1, 1), Timings(0, 0, 0)))
        await work
        assert not bench.pipeline._open

    asyncio.run(scenario())
