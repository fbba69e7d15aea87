"""Judged answers on their way from a worker's message to a client's connection."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.kernel.gateway.test_generation import CHAT, GENERATE, STARTED, Bench, Wire, turn
from tests.kernel.gateway.walks import walk
from tests.kernel.gateway.watchmen import QuickWatchman, Watchman, Witness

from jackfield.channel.messages import Cancel
from jackfield.context import RequestContext
from jackfield.errors import ContentBlocked, GuardrailFailed
from jackfield.frontends.delivery import deliver
from jackfield.types import Finished, TextDelta, Timings, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from jackfield.ports.audit import AuditSinkFactory
    from jackfield.types import GenerateEvent, GenerateRequest

END = Finished("stop", Usage(3, 9), Timings(0.0, 0.0, 0.0))


def play(
    scenario: Callable[[Bench], Coroutine[None, None, None]], witness: Witness | None = None, **guards: Watchman
) -> None:
    """Run *scenario* with guardrails on an event loop."""
    factories = {name: (lambda _asking, made=made: made) for name, made in guards.items()}

    async def run() -> None:
        known = Witness() if witness is None else witness
        sinks: dict[str, AuditSinkFactory] = {} if witness is None else {"witness": lambda: known}
        await asyncio.wait_for(scenario(Bench(walk(guardrails=factories, sinks=sinks))), 60)

    asyncio.run(run())


class Client:
    """Somebody who streams an answer."""

    def __init__(self, bench: Bench, *, ready: bool = True) -> None:
        self.wire = Wire(ready=ready)
        self.context = RequestContext("r", "/", "")
        self.ends: list[Finished] = []
        self._bench = bench

    async def begin(self, request: GenerateRequest = GENERATE) -> asyncio.Task[None]:
        """Its request; the worker has it, and has begun it."""
        generation = self._bench.pipeline.generate(self.context, request)
        task = asyncio.ensure_future(deliver(generation, self.wire, self.encoded))
        await turn()
        self._bench.say(STARTED)
        await turn()
        return task

    def encoded(self, event: GenerateEvent) -> bytes:
        """The text."""
        if isinstance(event, Finished):
            self.ends.append(event)
        return event.text.encode() if isinstance(event, TextDelta) else b""


def test_guardrails_that_answer_at_once_wake_nobody_up() -> None:
    """What may go on is written in the call that brings it."""

    async def scenario(bench: Bench) -> None:
        client = Client(bench)
        task = await client.begin()
        bench.say(TextDelta("a long text ", 3))
        assert client.wire.writes == [b"a lo"]
        bench.say(TextDelta("bom", 1))
        assert client.wire.text == "a long "
        bench.say(TextDelta("bast", 1), END)
        assert client.wire.text == "a long text bombast"
        assert not client.wire.waited
        await task

    play(scenario, quick=QuickWatchman(r"\bbomb\b", longest=9))


@pytest.mark.parametrize("kind", [QuickWatchman, Watchman])
@pytest.mark.parametrize("ready", [True, False])
def test_a_blocked_answer_ends_here_and_in_the_worker(kind: type[Watchman], *, ready: bool) -> None:
    """The client has what came before; the rest is never drawn. What was drawn is accounted."""
    witness = Witness()

    async def scenario(bench: Bench) -> None:
        client = Client(bench, ready=ready)
        task = await client.begin()
        bench.say(TextDelta("this is how to make ", 5))
        await turn()
        bench.say(TextDelta("a bomb at home", 4))
        await turn()
        client.wire.read(goes_on=True)
        await task
        assert "this is how to make ".startswith(client.wire.text)
        assert [(end.reason, end.usage) for end in client.ends] == [("content_filter", Usage(3, 9))]
        assert isinstance(bench.transport.sent[-1], Cancel)
        assert client.context.finished is not None
        assert client.context.finished.reason == "content_filter"
        assert client.context.code is None

    play(scenario, witness, guard=kind("bomb"))
    kinds = [(event.kind, event.outcome) for event in witness.events if event.kind != "lifecycle"]
    assert kinds[0] == ("guardrail", "blocked")
    assert kinds[-1] == ("request", "blocked")


def test_what_is_blocked_when_the_worker_has_ended_ends_so_for_everybody() -> None:
    """For the client, the log and the audit record; its usage is counted once."""
    witness = Witness()

    async def scenario(bench: Bench) -> None:
        client = Client(bench)
        task = await client.begin()
        bench.say(TextDelta("a bomb", 2))
        bench.say(END)
        await task
        assert [end.reason for end in client.ends] == ["content_filter"]
        assert client.context.finished is not None
        assert client.context.finished.reason == "content_filter"
        assert client.context.finished.usage == END.usage

    play(scenario, witness, guard=QuickWatchman("bomb"))
    assert witness.events[-1].outcome == "blocked"


@pytest.mark.parametrize("kind", [QuickWatchman, Watchman])
def test_an_answer_in_one_piece_is_refused(kind: type[Watchman]) -> None:
    """As soon as it is known."""

    async def scenario(bench: Bench) -> None:
        context = RequestContext("r", "/", "")
        context.whole = True
        async with aclosing(bench.pipeline.generate(context, GENERATE)) as events:
            reading = asyncio.ensure_future(anext(events))
            await turn()
            bench.say(STARTED, TextDelta("a bomb at home, and so on", 4))
            await reading
            with pytest.raises(ContentBlocked):
                async for _ in events:
                    pass
        assert context.code == "content_policy_violation"
        assert isinstance(bench.transport.sent[-1], Cancel)

    play(scenario, guard=kind("bomb"))


def test_one_of_several_answers_ends_and_the_others_go_on() -> None:
    """The worker is let go when all have ended; the usage of what was cut is counted once."""

    async def scenario(bench: Bench) -> None:
        client = Client(bench)
        task = await client.begin(msgspec.structs.replace(GENERATE, n=2))
        bench.say(TextDelta("a bomb at home, yes", 4, 0), TextDelta("flowers and birds", 4, 1))
        assert not task.done()
        bench.say(TextDelta("more", 1, 0), TextDelta(" and bees", 2, 1))
        bench.say(msgspec.structs.replace(END, index=1))
        await task
        assert [(end.index, end.reason) for end in client.ends] == [(0, "content_filter"), (1, "stop")]
        assert client.wire.text == "flowers and birds and bees"
        assert client.context.finished is not None
        assert client.context.finished.usage.completion_tokens == 9 + 4

    play(scenario, guard=QuickWatchman("bomb"))


def test_a_prompt_that_is_blocked_reaches_no_worker() -> None:
    """And costs nothing."""

    async def scenario(bench: Bench) -> None:
        with pytest.raises(ContentBlocked):
            await anext(bench.pipeline.generate(RequestContext("r", "/", ""), GENERATE))
        assert not bench.transport.sent

    play(scenario, guard=Watchman("hi"))


def test_those_who_take_their_time_hold_nobody_else_up() -> None:
    """What comes meanwhile is judged together."""
    slow = Watchman("bomb", longest=2, stages=frozenset({"output"}))

    async def scenario(bench: Bench) -> None:
        client = Client(bench)
        task = await client.begin()
        slow.open.clear()
        bench.say(TextDelta("one ", 1))
        await turn()
        bench.say(TextDelta("two ", 1))
        bench.say(TextDelta("three", 1), END)
        assert client.wire.text == ""
        slow.open.set()
        await task
        assert client.wire.text == "one two three"
        assert [text.text for text in slow.seen][:2] == ["one ", "ne two three"]

    play(scenario, slow=slow)


def test_a_client_that_leaves_ends_what_is_being_judged() -> None:
    """In the worker, too."""
    slow = Watchman("bomb", longest=2, stages=frozenset({"output"}))

    async def scenario(bench: Bench) -> None:
        client = Client(bench)
        task = await client.begin()
        slow.open.clear()
        bench.say(TextDelta("one two", 1))
        await turn()
        task.cancel()
        await asyncio.wait([task])
        assert isinstance(bench.transport.sent[-1], Cancel)

    play(scenario, slow=slow)


def test_a_window_that_does_not_fill_is_judged_in_time() -> None:
    """The client does not wait for the model to go on."""

    async def scenario(bench: Bench) -> None:
        client = Client(bench)
        task = await client.begin()
        bench.say(TextDelta("a few words", 3))
        await client.wire.written.wait()
        assert client.wire.text == "a few words"
        bench.say(TextDelta(", a bomb", 2), END)
        await task
        assert client.wire.text == "a few words"
        assert client.ends[0].reason == "content_filter"

    play(scenario, guard=Watchman("bomb", longest=None, window=100, window_s=0.01))


@pytest.mark.parametrize("kind", [QuickWatchman, Watchman])
def test_a_guardrail_that_breaks_ends_the_stream(kind: type[Watchman]) -> None:
    """With an error, and nothing more of the text."""
    guard = kind("bomb", longest=2, stages=frozenset({"output"}))

    async def scenario(bench: Bench) -> None:
        client = Client(bench)
        task = await client.begin()
        bench.say(TextDelta("one ", 1))
        await turn()
        guard.broken = OSError("no")
        bench.say(TextDelta("two", 1))
        with pytest.raises(GuardrailFailed):
            await task
        assert client.wire.text == "one"
        assert client.context.code == "guardrail_unavailable"
        assert isinstance(bench.transport.sent[-1], Cancel)

    play(scenario, guard=guard)


def test_the_worker_gets_what_is_masked() -> None:
    """So that what it keeps of prompts, such as prefixes, has none of the originals."""

    async def scenario(bench: Bench) -> None:
        client = Client(bench)
        task = await client.begin()
        sent = msgspec.json.encode(bench.transport.sent[0])
        assert b'"text":"[HELLO]"' in sent
        assert b'"hi"' not in sent
        bench.say(TextDelta("you said [HEL", 3))
        bench.say(TextDelta("LO]", 1), END)
        await task
        assert client.wire.text == "you said hi"

    play(scenario, guard=Watchman("hi", "mask", "[HELLO]", restore=True, stages=frozenset({"input"})))


def test_a_dialect_that_cannot_read_breaks_only_its_request() -> None:
    """Judged or not."""

    async def scenario(bench: Bench) -> None:
        client = Client(bench)
        task = await client.begin(CHAT)
        bench.say(TextDelta("x", 1))
        await asyncio.wait([task])
        assert client.context.code == "internal_error"
        assert bench.link.alive

    play(scenario, guard=QuickWatchman("bomb"))
