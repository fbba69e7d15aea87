"""Events on their way from a worker's message to a client's connection, without sockets."""

from __future__ import annotations

import asyncio
import tracemalloc
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kernel.gateway.played import Transport
from tests.kernel.gateway.walks import walk
from tests.kernel.gateway.watchmen import Witness

from jackfield.channel.messages import Cancel, Events, RequestFailed, WorkerStatus, to_gateway
from jackfield.chat import ChatFormat, ChatPrompt, Message
from jackfield.context import RequestContext
from jackfield.error_record import ErrorRecord
from jackfield.errors import BackendFault, InternalError, WorkerDied
from jackfield.frontends.delivery import deliver
from jackfield.gateway.dialects import Dialects
from jackfield.gateway.observing import Observers
from jackfield.gateway.pipeline import Pipeline
from jackfield.manifest import KernelConfig, Manifest, ModelConfig
from jackfield.ports.dialect import Opening, Traits
from jackfield.types import Finished, GenerateRequest, Started, TextDelta, TextPrompt, Timings, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from jackfield.channel.messages import SequenceEvent
    from jackfield.gateway.walk import Walk
    from jackfield.ports.constraint import Constraint
    from jackfield.ports.dialect import ChatDialect, ChatReader, Piece
    from jackfield.types import GenerateEvent

GENERATE = GenerateRequest(model="demo", prompt=TextPrompt("hi"))
CHAT = GenerateRequest(model="demo", prompt=ChatPrompt((Message("user", "hi"),)))
END = Finished("stop", Usage(1, 1), Timings(0.0, 0.0, 0.0))
STARTED = Started(3, 4096)


class Wire:
    """A connection to a client that reads when the test says so."""

    def __init__(self, *, ready: bool = True) -> None:
        self.ready = ready
        self.writes: list[bytes] = []
        self.waited: list[bytes] = []
        self.written = asyncio.Event()
        self.gone: Exception | None = None
        self._readable = asyncio.Event()

    def read(self, *, goes_on: bool) -> None:
        """The client has read all, and may go on."""
        self._readable.set()
        self._readable = asyncio.Event()
        self.ready = goes_on
        if goes_on:
            self._readable.set()

    def write(self, events: bytes) -> None:
        """At once."""
        assert self.ready
        if self.gone is not None:
            raise self.gone
        self.writes.append(events)

    async def send(self, events: bytes) -> None:
        """Waits for the client."""
        if self.gone is not None:
            raise self.gone
        self.writes.append(events)
        self.written.set()
        self.waited.append(events)
        if not self.ready:
            await self._readable.wait()

    @property
    def text(self) -> str:
        """All of it."""
        return b"".join(self.writes).decode().replace("|", "")


class Bench:
    """A pipeline with one model, whose worker is played.

    Parameters:
        stages: Around the worker; None has none that do anything.
    """

    def __init__(self, stages: Walk | None = None) -> None:
        models = {"demo": ModelConfig(source="demo.gguf", max_sequences=4)}
        manifest = Manifest(enabled=(), kernel=KernelConfig(queue=100), models=models)
        self.pipeline = Pipeline(
            manifest, Observers({}), 0, Dialects({"broken": broken}, manifest.models), stages or walk()
        )
        self.transport = Transport()
        self.link = self.pipeline.connect("demo")
        self.link.connection_made(self.transport)
        self.pipeline.worker_changed(WorkerStatus(model="demo", state="ready", chat=ChatFormat("")))

    async def begin(self, wire: Wire, request: GenerateRequest = GENERATE) -> asyncio.Task[None]:
        """A request whose events go to *wire*; the worker has it, and has begun it."""
        generation = self.pipeline.generate(RequestContext("r", "/", ""), request)
        task = asyncio.ensure_future(deliver(generation, wire, encoded))
        await turn()
        self.say(STARTED, number=self.number)
        await turn()
        return task

    @property
    def number(self) -> int:
        """Of the request that came last."""
        return max(message.id for message in self.transport.sent)

    def message(self, *events: SequenceEvent, number: int = 1) -> bytes:
        """What a worker sends for one step."""
        return to_gateway().encode(Events([(number, event) for event in events]))

    def say(self, *events: SequenceEvent, number: int = 1) -> None:
        """One step of a request."""
        self.link.data_received(self.message(*events, number=number))


def encoded(event: GenerateEvent) -> bytes:
    """A text and a mark that ends it."""
    if isinstance(event, TextDelta):
        return event.text.encode() + b"|"
    return b"" if isinstance(event, Started) else b"."


class BrokenDialect:
    """Cannot read what it has opened."""

    traits = Traits()

    def open(self, chat: ChatPrompt, constraint: Constraint | None) -> Opening:
        """Nothing special."""
        return Opening(variables={"messages": len(chat.messages)}, constraint=constraint)

    def reader(self, chat: ChatPrompt, prompt_end: str) -> ChatReader:
        """One that breaks."""
        return BrokenReader()


class BrokenReader:
    """Breaks on the letter x."""

    reasoning = malformed = holding = False

    def feed(self, text: str) -> Sequence[Piece]:
        """Nothing, or a defect."""
        if "x" in text:
            raise ZeroDivisionError
        return ()

    def end(self, *, cut: bool) -> Sequence[Piece]:
        """Nothing."""
        return ()


def broken(chat_format: ChatFormat, *, named: bool) -> ChatDialect:
    return BrokenDialect()


def play(scenario: Callable[[Bench], Coroutine[None, None, None]]) -> None:
    """Run *scenario* on an event loop."""

    async def run() -> None:
        await asyncio.wait_for(scenario(Bench()), 60)

    asyncio.run(run())


async def turn() -> None:
    """Let tasks run that are ready."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_a_step_is_one_write_in_the_call_that_brings_it() -> None:
    """No task has to wake up in between; what a step brings of one answer goes out together."""

    async def scenario(bench: Bench) -> None:
        wire = Wire()
        task = await bench.begin(wire)
        bench.say(TextDelta("a", 1))
        bench.say(TextDelta("b", 1), TextDelta("c", 1))
        assert wire.writes == [b"a|", b"bc|"]
        bench.say(TextDelta("d", 1), END)
        assert wire.writes[2:] == [b"d|."]
        assert not wire.waited
        await task

    play(scenario)


def test_steps_that_have_piled_up_are_one_write() -> None:
    """A gateway that is behind catches up with fewer and longer events."""

    async def scenario(bench: Bench) -> None:
        wire = Wire()
        task = await bench.begin(wire)
        bench.link.data_received(b"".join(bench.message(TextDelta(letter, 1)) for letter in "abcdef"))
        assert wire.writes == [b"abcdef|"]
        bench.say(END)
        await task

    play(scenario)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.one_of(st.text("abc |", min_size=1, max_size=3), st.booleans(), st.none()), max_size=40))
def test_a_client_that_stops_and_goes_on_gets_the_same_text(steps: list[str | bool | None]) -> None:
    """Whatever comes (text), whenever it reads (true: and goes on; false: and stops again; None: only later)."""

    async def scenario(bench: Bench) -> None:
        wire = Wire(ready=False)
        task = await bench.begin(wire)
        for step in steps:
            if isinstance(step, str):
                bench.say(TextDelta(step, 1))
            elif step is None:
                await turn()
            else:
                wire.read(goes_on=step)
        bench.say(END)
        wire.read(goes_on=True)
        await task
        said = "".join(step for step in steps if isinstance(step, str))
        assert wire.text == said.replace("|", "") + "."
        assert len(wire.writes) <= 1 + sum(isinstance(step, str) for step in steps)

    play(scenario)


def test_whoever_reads_nothing_delays_nobody_and_costs_little() -> None:
    """The others get each step at once; what waits is the text, and hardly more."""

    async def scenario(bench: Bench) -> None:
        stuck, lively = Wire(ready=False), Wire()
        waiting = await bench.begin(stuck)
        served = await bench.begin(lively)
        bench.say(TextDelta("first", 1), number=1)
        await turn()
        tracemalloc.start()
        for step in range(5000):
            bench.link.data_received(bench.message(TextDelta("word ", 1)) + bench.message(TextDelta(".", 1), number=2))
            assert len(lively.writes) == step + 1
            lively.writes[-1] = b".|"  # no memory of its own
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        # 25,000 bytes of text, and 5,000 references in the list of the other's writes and in the figures of each gap
        assert held < 1_000_000
        assert len(stuck.writes) == 1
        bench.say(END, number=2)
        await served
        stuck.read(goes_on=True)
        bench.say(END, number=1)
        await waiting
        assert stuck.text == "first" + "word " * 5000 + "."
        assert len(stuck.writes) < 100

    play(scenario)


@pytest.mark.parametrize(("error", "outcome"), [(ConnectionResetError("gone"), "left"), (ValueError("?"), "failed")])
def test_who_takes_no_more_is_recorded_so(error: Exception, outcome: str) -> None:
    """A client that has gone has left; a frontend that breaks has failed."""
    sink = Witness()

    async def scenario() -> None:
        bench = Bench(walk(sinks={"sink": lambda: sink}))
        wire = Wire()
        task = await bench.begin(wire)
        wire.gone = error
        bench.say(TextDelta("a", 1))
        with pytest.raises(type(error)):
            await asyncio.wait_for(task, 60)

    asyncio.run(scenario())
    assert [event.outcome for event in sink.events if event.kind == "request"] == [outcome]


def test_a_client_that_has_gone_ends_its_request() -> None:
    """Also in the worker; whoever delivers is told what the connection said."""

    async def scenario(bench: Bench) -> None:
        wire = Wire()
        task = await bench.begin(wire)
        wire.gone = ConnectionResetError("gone")
        bench.say(TextDelta("a", 1))
        with pytest.raises(ConnectionResetError):
            await task
        assert isinstance(bench.transport.sent[-1], Cancel)
        bench.say(TextDelta("b", 1))
        assert bench.link.alive

    play(scenario)


def test_a_cancelled_delivery_ends_its_request() -> None:
    """As a generator that is closed."""

    async def scenario(bench: Bench) -> None:
        task = await bench.begin(Wire())
        task.cancel()
        await asyncio.wait([task])
        assert isinstance(bench.transport.sent[-1], Cancel)

    play(scenario)


def test_a_reader_that_breaks_breaks_nothing_else() -> None:
    """Neither the link to the worker nor those who share it."""

    async def scenario(bench: Bench) -> None:
        wire, other = Wire(), Wire()
        task = await bench.begin(wire, CHAT)
        another = await bench.begin(other)
        bench.link.data_received(bench.message(TextDelta("x", 1)) + bench.message(TextDelta("fine", 1), number=2))
        assert other.writes == [b"fine|"]
        with pytest.raises(InternalError):
            await task
        bench.say(END, number=2)
        await another

    play(scenario)


@pytest.mark.parametrize("ready", [True, False])
def test_what_came_before_a_failure_is_delivered(ready: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    """Then whoever delivers is told why it failed."""

    async def scenario(bench: Bench) -> None:
        wire = Wire(ready=ready)
        task = await bench.begin(wire)
        failed = RequestFailed(ErrorRecord.of(BackendFault("the backend failed")))
        bench.say(TextDelta("a", 1), failed)
        await turn()
        wire.read(goes_on=True)
        with pytest.raises(BackendFault):
            await task
        assert wire.text == "a"

    play(scenario)


def test_a_worker_that_dies_fails_what_is_delivered() -> None:
    """What had come is sent."""

    async def scenario(bench: Bench) -> None:
        wire = Wire()
        task = await bench.begin(wire)
        bench.say(TextDelta("a", 1))
        bench.link.connection_lost(None)
        with pytest.raises(WorkerDied):
            await task
        assert wire.text == "a"

    play(scenario)


def test_several_answers_end_one_by_one() -> None:
    """A delivery ends with the last of them."""

    async def scenario(bench: Bench) -> None:
        wire = Wire()
        task = await bench.begin(wire, msgspec.structs.replace(GENERATE, n=2))
        bench.say(TextDelta("a", 1), TextDelta("b", 1, 1), END)
        assert wire.writes == [b"a|.b|"]
        await turn()
        assert not task.done()
        bench.say(msgspec.structs.replace(END, index=1))
        await task

    play(scenario)
