"""The limits stage: what limiters are told of requests, whatever becomes of these."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.kernel.gateway.test_pipeline import (
    GENERATE,
    INFO,
    LIMITS,
    POOL,
    POOLED,
    ROW,
    Bench,
    finished,
    principal,
    turn,
)
from tests.kernel.gateway.walks import DEFAULT_MAX_TOKENS, walk

from jackfield.channel.messages import RequestFailed, WorkerStatus
from jackfield.error_record import ErrorRecord
from jackfield.errors import (
    AuditFailed,
    ContentBlocked,
    ContextLengthExceeded,
    LimiterFailed,
    LimitExceeded,
    ModelNotReady,
    QueueFull,
    WorkerDied,
)
from jackfield.gateway import limiting
from jackfield.gateway.dialects import Dialects
from jackfield.gateway.observing import Observers
from jackfield.gateway.pipeline import Pipeline
from jackfield.manifest import KernelConfig, Manifest, ModelConfig
from jackfield.pooled import Pooled
from jackfield.ports.guardrail import Finding, GuardrailTraits, Verdict
from jackfield.ports.limiter import Spent, Standing
from jackfield.ports.observer import LimitRefused, ObservedEvent
from jackfield.types import Started, TextDelta, TextPrompt

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from jackfield.context import RequestContext
    from jackfield.gateway.walk import Walk
    from jackfield.ports.audit import AuditEvent
    from jackfield.ports.backend import ModelInfo
    from jackfield.ports.guardrail import GuardedText, Subject
    from jackfield.ports.limiter import Claim, Reservation

LEFT = Standing(measure="requests", limit=5, remaining=4, reset_s=60.0, scope="key")
GONE = Standing(measure="requests", limit=5, remaining=0, reset_s=60.0, scope="key")


class Ledger:
    """A limiter that writes down what it is told.

    Parameters:
        lines: Where; several limiters may share it.
        name: Before each line.
    """

    def __init__(self, lines: list[str], name: str = "") -> None:
        self.lines = lines
        self.name = name
        self.claims: list[Claim] = []
        self.refusal: Exception | None = None
        self.gate: asyncio.Event | None = None
        """What settling waits for."""
        self.grant: asyncio.Event | None = None
        """What reserving waits for."""

    async def reserve(self, claim: Claim) -> Reservation:
        """Granted, or refused as the test says."""
        self.claims.append(claim)
        if self.grant is not None:
            await self.grant.wait()
        if self.refusal is not None:
            raise self.refusal
        self.note("reserved")
        return Noted(self)

    async def close(self) -> None:
        """Take note."""
        self.note("closed")

    def note(self, line: str) -> None:
        """One more."""
        self.lines.append(f"{self.name}{line}")


class Noted:
    """Its reservations."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.standings: Sequence[Standing] = (LEFT,)

    async def begin(self, prompt_tokens: int) -> None:
        """Take note."""
        self.ledger.note(f"begun {prompt_tokens}")

    async def leave_queue(self) -> None:
        """Take note."""
        self.ledger.note("answering")

    async def settle(self, spent: Spent) -> None:
        """Take note, when the gate is open."""
        if self.ledger.gate is not None:
            await self.ledger.gate.wait()
        self.ledger.note(f"settled {spent.prompt_tokens}/{spent.cached_tokens}/{spent.completion_tokens}")

    async def release(self) -> None:
        """Take note."""
        self.ledger.note("released")


class LimitedBench(Bench):
    """A pipeline with these stages, one model, and a worker that is played."""

    def __init__(self, stages: Walk, info: ModelInfo = INFO, queue: int = 2) -> None:
        super().__init__(info, queue)
        manifest = Manifest(
            enabled=(),
            kernel=KernelConfig(queue=queue),
            models={"demo": ModelConfig(source="demo.gguf", max_sequences=4)},
        )
        self.pipeline = Pipeline(manifest, Observers({}), 0, Dialects({}, manifest.models), stages)
        self.link = self.pipeline.connect("demo")
        self.link.connection_made(self.transport)
        self.pipeline.worker_changed(WorkerStatus(model="demo", state="ready", info=info, limits=LIMITS))


def play(
    scenario: Callable[[LimitedBench, Ledger], Coroutine[None, None, None]], info: ModelInfo = INFO, queue: int = 2
) -> list[str]:
    """Run *scenario* with one limiter; what that was told."""
    ledger = Ledger([])

    async def run() -> None:
        bench = LimitedBench(walk(limiters={"ledger": lambda: ledger}), info, queue)
        await asyncio.wait_for(scenario(bench, ledger), 30)

    asyncio.run(run())
    return ledger.lines


# --- generations -----------------------------------------------------------------------------------------------------


def test_from_the_reservation_to_the_end() -> None:
    """The exact prompt when the worker has counted it, the end of waiting with the first text, once; what was used."""

    async def scenario(bench: LimitedBench, _ledger: Ledger) -> None:
        task = bench.begin(bench.generate())
        await turn()
        bench.say(Started(7, 9))
        await turn()
        assert _ledger.lines == ["reserved", "begun 7"]
        bench.say(TextDelta("a", 1), TextDelta("b", 1))
        bench.say(finished(tokens=5))
        await task
        assert bench.context.standings == [LEFT]

    assert play(scenario) == ["reserved", "begun 7", "answering", "settled 7/1/5"]


def test_the_claim() -> None:
    """Whose it is, for what, and what it may take at most: all answers; the default where nothing is said."""

    async def scenario(bench: LimitedBench, ledger: Ledger) -> None:
        bench.context.principal, bench.context.user = principal(), "mark"
        for request in (
            msgspec.structs.replace(GENERATE, prompt=TextPrompt("word" * 100), max_tokens=11, n=3),
            GENERATE,
        ):
            task = bench.begin(bench.generate(request))
            await turn()
            task.cancel()
            await turn()
        several, plain = ledger.claims
        assert (several.principal, several.user, several.model) == (principal(), "mark", "demo")
        assert (several.action, several.answers, several.completion_tokens, several.queue) == ("generate", 3, 33, 2)
        assert 50 <= several.prompt_tokens <= 400
        assert (plain.answers, plain.completion_tokens) == (1, min(DEFAULT_MAX_TOKENS, LIMITS.context))

    play(scenario)


@pytest.mark.parametrize(("shifts", "most"), [(False, 2 * LIMITS.context), (True, 2_000_000)])
def test_no_answer_is_expected_to_be_longer_than_it_can_be(*, shifts: bool, most: int) -> None:
    """Whoever asks for more than the context needs no larger limit, unless the context is shifted."""

    async def scenario(bench: LimitedBench, ledger: Ledger) -> None:
        replica = bench.pipeline.replicas["demo"]
        replica.config = msgspec.structs.replace(replica.config, context_shift=shifts)
        task = bench.begin(bench.generate(msgspec.structs.replace(GENERATE, max_tokens=1_000_000, n=2)))
        await turn()
        task.cancel()
        await turn()
        [claimed] = ledger.claims
        assert claimed.completion_tokens == most

    play(scenario)


def test_several_answers_wait_together_and_are_settled_together() -> None:
    """The prompt counts once, completions all."""

    async def scenario(bench: LimitedBench, _ledger: Ledger) -> None:
        task = bench.begin(bench.generate(msgspec.structs.replace(GENERATE, n=2)))
        await turn()
        bench.say(Started(7, 9), TextDelta("a", 1, 1), TextDelta("b", 1, 0), finished(1, 2), finished(0, 3))
        await task

    assert play(scenario) == ["reserved", "begun 7", "answering", "settled 7/1/5"]


def test_it_is_settled_before_the_last_event_is_passed_on() -> None:
    """Whoever has read the answer can count on what is left."""

    async def scenario(bench: LimitedBench, ledger: Ledger) -> None:
        ledger.gate = asyncio.Event()
        events = bench.pipeline.generate(bench.context, GENERATE)
        reading = bench.begin(anext(events))
        await turn()
        bench.say(Started(7, 9), TextDelta("a", 1), finished())
        await reading
        assert isinstance(await anext(events), TextDelta)
        last = bench.begin(anext(events))
        await turn()
        assert not last.done()
        ledger.gate.set()
        await last
        assert ledger.lines[-1] == "settled 7/1/2"
        await events.aclose()

    play(scenario)


def test_a_client_that_leaves_pays_for_what_it_had() -> None:
    """Tokens whose text has arrived, and the prompt."""

    async def scenario(bench: LimitedBench, _ledger: Ledger) -> None:
        task = bench.begin(bench.generate())
        await turn()
        bench.say(Started(7, 9), TextDelta("abc", 3))
        await turn()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    assert play(scenario) == ["reserved", "begun 7", "answering", "settled 7/0/3"]


def test_settling_goes_on_where_the_client_leaves_meanwhile() -> None:
    """Its request is cancelled a second time, and what it has used is counted nevertheless."""

    async def scenario(bench: LimitedBench, ledger: Ledger) -> None:
        ledger.gate = asyncio.Event()
        task = bench.begin(bench.generate())
        await turn()
        bench.say(Started(7, 9))
        for _ in range(3):
            await turn()
            task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert ledger.lines == ["reserved", "begun 7"]
        ledger.gate.set()
        await bench.pipeline.walk.close()

    assert play(scenario) == ["reserved", "begun 7", "settled 7/0/0", "closed"]


def test_who_leaves_while_it_is_settled_is_recorded() -> None:
    """All had come by then; that the last of it was not passed on is what the record says."""
    ledger, sink = Ledger([]), Sink()

    async def scenario() -> None:
        bench = LimitedBench(walk(limiters={"mine": lambda: ledger}, sinks={"sink": lambda: sink}))
        ledger.gate = asyncio.Event()
        task = bench.begin(bench.generate())
        await turn()
        bench.say(Started(7, 9), finished(tokens=5))
        await turn()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        ledger.gate.set()
        await bench.pipeline.walk.close()

    asyncio.run(scenario())
    assert [event.outcome for event in sink.events if event.kind == "request"] == ["left"]
    assert "settled 7/1/5" in ledger.lines


def test_a_worker_that_dies_in_the_middle() -> None:
    """What it has done is counted."""

    async def scenario(bench: LimitedBench, _ledger: Ledger) -> None:
        task = bench.begin(bench.generate())
        await turn()
        bench.say(Started(7, 9), TextDelta("a", 1))
        bench.link.close()
        with pytest.raises(WorkerDied):
            await task

    assert play(scenario) == ["reserved", "begun 7", "answering", "settled 7/0/1"]


# --- refused before anything was used --------------------------------------------------------------------------------


def test_no_room_in_the_queue() -> None:
    """Nothing was used, and nothing counts."""

    async def scenario(bench: LimitedBench, ledger: Ledger) -> None:
        first = bench.begin(bench.generate(msgspec.structs.replace(GENERATE, n=4)))
        await turn()
        with pytest.raises(QueueFull):
            await bench.generate(GENERATE)
        assert ledger.lines == ["reserved", "reserved", "released"]
        first.cancel()

    play(scenario, queue=0)


@pytest.mark.parametrize("state", ["loading", "backoff"])
def test_no_worker(state: str) -> None:
    """While it loads or is started anew."""

    async def scenario(bench: LimitedBench, _ledger: Ledger) -> None:
        bench.pipeline.worker_changed(WorkerStatus(model="demo", state=state))
        with pytest.raises(ModelNotReady):
            await bench.generate()

    assert play(scenario) == ["reserved", "released"]


def test_a_prompt_that_does_not_fit() -> None:
    """The worker refuses it before it has begun."""

    async def scenario(bench: LimitedBench, _ledger: Ledger) -> None:
        task = bench.begin(bench.generate())
        await turn()
        bench.say(RequestFailed(ErrorRecord.of(ContextLengthExceeded("too long"))))
        with pytest.raises(ContextLengthExceeded):
            await task

    assert play(scenario) == ["reserved", "released"]


class Blocks:
    """A guardrail that lets nothing in."""

    traits = GuardrailTraits(stages=frozenset({"input"}), masks=False, categories=("x",))

    def concerns(self, subject: Subject) -> bool:
        """Everybody."""
        return True

    async def judge(self, subject: Subject, texts: Sequence[GuardedText]) -> Sequence[Verdict]:
        """Whatever it is."""
        return [Verdict(findings=(Finding(category="x", code="y", action="block"),)) for _ in texts]

    async def close(self) -> None:
        """Nothing to give back."""


def test_a_guardrail_that_blocks() -> None:
    """Has worked for it: it is a request, and no tokens."""
    lines: list[str] = []

    async def scenario() -> None:
        stages = walk(limiters={"ledger": lambda: Ledger(lines)}, guardrails={"no": lambda _asking: Blocks()})
        with pytest.raises(ContentBlocked):
            await LimitedBench(stages).generate()

    asyncio.run(scenario())
    assert lines == ["reserved", "settled 0/0/0"]


# --- pooled work -----------------------------------------------------------------------------------------------------


def test_pooled_work_is_settled_with_what_its_worker_says() -> None:
    """It has no beginning of its own."""

    async def scenario(bench: LimitedBench, ledger: Ledger) -> None:
        task = bench.begin(bench.pipeline.pool(bench.context, POOL))
        await turn()
        bench.say(Pooled((ROW, ROW), 12))
        await task
        assert (ledger.claims[0].action, ledger.claims[0].completion_tokens) == ("embed", 0)

    assert play(scenario, POOLED) == ["reserved", "settled 12/0/0"]


def test_pooled_work_whose_client_leaves() -> None:
    """Counts as estimated: its worker does not say how far it has come."""

    async def scenario(bench: LimitedBench, ledger: Ledger) -> None:
        long = msgspec.structs.replace(POOL, inputs=(TextPrompt("word" * 100),))
        task = bench.begin(bench.pipeline.pool(bench.context, long))
        await turn()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        estimate = ledger.claims[0].prompt_tokens
        assert estimate > 0
        assert ledger.lines == ["reserved", f"settled {estimate}/0/0"]

    play(scenario, POOLED)


def test_pooled_work_whose_worker_dies() -> None:
    """Nothing is known to be used."""

    async def scenario(bench: LimitedBench, _ledger: Ledger) -> None:
        task = bench.begin(bench.pipeline.pool(bench.context, POOL))
        await turn()
        bench.link.close()
        with pytest.raises(WorkerDied):
            await task

    assert play(scenario, POOLED) == ["reserved", "released"]


# --- several limiters, and those that fail ---------------------------------------------------------------------------


def refusal() -> LimitExceeded:
    """Of a limiter that knows what it lacks."""
    error = LimitExceeded("no more", retry_after=9.0)
    error.measure, error.scope, error.standings = "tokens", "team", (GONE,)
    return error


def test_all_must_agree() -> None:
    """What one has granted is given back where another refuses, and where that fails."""
    for error, expected in ((refusal(), LimitExceeded), (RuntimeError("broken"), LimiterFailed)):
        lines: list[str] = []
        second, third = Ledger(lines, "b "), Ledger(lines, "c ")
        second.refusal = error

        async def scenario(
            lines: list[str] = lines,
            second: Ledger = second,
            third: Ledger = third,
            expected: type[Exception] = expected,
        ) -> None:
            limiters = {"a": lambda: Ledger(lines, "a "), "b": lambda: second, "c": lambda: third}
            bench = LimitedBench(walk(limiters=limiters))
            with pytest.raises(expected):
                await bench.generate()
            assert not bench.transport.sent

        asyncio.run(scenario())
        assert lines == ["a reserved", "a released"]


def test_standings_of_all() -> None:
    """In the order of the manifest."""

    async def scenario() -> None:
        stages = walk(limiters={"a": lambda: Ledger([]), "b": lambda: Ledger([])})
        bench = LimitedBench(stages)
        task = bench.begin(bench.generate())
        await turn()
        assert bench.context.standings == [LEFT, LEFT]
        task.cancel()

    asyncio.run(scenario())


class Slow(Ledger):
    """Never comes back."""

    async def reserve(self, claim: Claim) -> Reservation:
        """It hangs."""
        await asyncio.Event().wait()
        raise AssertionError


def test_a_limiter_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The request is refused: nobody can tell what is left."""
    monkeypatch.setattr(limiting, "DEADLINE_S", 0.01)

    async def scenario() -> None:
        with pytest.raises(LimiterFailed) as caught:
            await LimitedBench(walk(limiters={"slow": lambda: Slow([])})).generate()
        assert caught.value.retry_after == 1.0

    asyncio.run(scenario())


class Clumsy(Ledger):
    """Cannot settle."""

    async def reserve(self, claim: Claim) -> Reservation:
        """Granted."""
        return Broken(self)


class Broken(Noted):
    """Fails at everything."""

    async def begin(self, prompt_tokens: int) -> None:
        """No."""
        raise RuntimeError("cannot begin")

    async def leave_queue(self) -> None:
        """No."""
        raise RuntimeError("cannot leave")

    async def settle(self, spent: Spent) -> None:
        """No."""
        raise RuntimeError("cannot settle")


def test_a_limiter_that_cannot_settle_breaks_no_answer() -> None:
    """And the other one is settled."""
    lines: list[str] = []

    async def scenario() -> None:
        bench = LimitedBench(walk(limiters={"clumsy": lambda: Clumsy([]), "ledger": lambda: Ledger(lines)}))
        task = bench.begin(bench.generate())
        await turn()
        bench.say(Started(7, 9), TextDelta("a", 1), finished())
        assert len(await task) == 3

    asyncio.run(scenario())
    assert lines == ["reserved", "begun 7", "answering", "settled 7/1/2"]


# --- who is told of refusals -----------------------------------------------------------------------------------------


class Sink:
    """Keeps events."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []
        self.broken = False

    def note(self, event: AuditEvent) -> None:
        """Keep it."""
        self.events.append(event)

    async def write(self, event: AuditEvent) -> None:
        """Keep it, if it can."""
        if self.broken:
            raise OSError("the disk is full")
        self.events.append(event)

    async def close(self) -> None:
        """Nothing to give back."""


class Watcher:
    """Keeps what observers are told."""

    def __init__(self) -> None:
        self.told: list[ObservedEvent] = []

    def observe(self, event: ObservedEvent) -> None:
        """Keep it."""
        self.told.append(event)


def test_a_refusal_is_recorded_and_counted() -> None:
    """With what there was not so much left of, and whose limit it was; ``context`` has what is left."""
    ledger, sink, watcher = Ledger([]), Sink(), Watcher()
    ledger.refusal = refusal()

    async def scenario() -> RequestContext:
        stages = walk(
            limiters={"mine": lambda: ledger}, sinks={"sink": lambda: sink}, observers={"watcher": lambda: watcher}
        )
        bench = LimitedBench(stages)
        bench.context.principal = principal()
        with pytest.raises(LimitExceeded):
            await bench.generate()
        return bench.context

    context = asyncio.run(scenario())
    assert (tuple(context.standings), context.code) == ((GONE,), "rate_limit_exceeded")
    assert watcher.told == [LimitRefused(limiter="mine", measure="tokens", scope="team", model="demo")]
    [event] = [event for event in sink.events if event.kind == "limit"]
    assert (event.action, event.outcome, event.resource, event.reason) == (
        "generate",
        "refused",
        "demo",
        "rate_limit_exceeded",
    )
    assert event.details == {"limiter": "mine", "measure": "tokens", "scope": "team"}
    assert event.principal == "keys/ann"


def test_a_refusal_that_cannot_be_recorded() -> None:
    """Is no refusal of a limit: what must be recorded is not done otherwise."""
    ledger, sink = Ledger([]), Sink()
    ledger.refusal, sink.broken = refusal(), True

    async def scenario() -> None:
        with pytest.raises(AuditFailed):
            await LimitedBench(walk(limiters={"mine": lambda: ledger}, sinks={"sink": lambda: sink})).generate()

    asyncio.run(scenario())


def test_nothing_is_asked_where_nothing_limits() -> None:
    """No claim is made, and nothing is waited for."""

    async def scenario() -> None:
        bench = LimitedBench(walk())
        task = bench.begin(bench.generate())
        await turn()
        number = next(iter(bench.link._open))
        receiver = bench.link._open[number]
        assert getattr(receiver, "begun", None) is None
        bench.say(Started(7, 9), finished())
        await task
        assert bench.context.standings == ()

    asyncio.run(scenario())
