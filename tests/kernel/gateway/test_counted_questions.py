"""What limiters are told of HTTP requests that only ask a model something."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.kernel.gateway.test_limiting import LEFT, Ledger, LimitedBench, refusal
from tests.kernel.gateway.test_pipeline import finished, principal, turn
from tests.kernel.gateway.walks import walk

from jackfield.channel.messages import RequestFailed
from jackfield.chat import ChatPrompt, Message
from jackfield.error_record import ErrorRecord
from jackfield.errors import InvalidRequest, LimitExceeded
from jackfield.questions import Detokenise, ListSequences, Render, Rendered, Sequences, Text, Tokenise, Tokens
from jackfield.types import Started

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from jackfield.questions import Question, Reply

TOKENISE = Tokenise(model="demo", text="hello")
CHAT = Render(model="demo", prompt=ChatPrompt((Message("user", "hello"),)))
ANSWERED: dict[str, tuple[Question, Reply]] = {
    "tokenise": (TOKENISE, Tokens((1,), (b"a",))),
    "detokenise": (Detokenise(model="demo", tokens=(1,)), Text(b"a")),
    "render": (CHAT, Rendered("hello", 3)),
}


def play(scenario: Callable[[LimitedBench, Ledger], Awaitable[None]]) -> list[str]:
    """Run *scenario* with one limiter; what that was told."""
    ledger = Ledger([])

    async def run() -> None:
        async with asyncio.timeout(30):
            await scenario(LimitedBench(walk(limiters={"ledger": lambda: ledger})), ledger)

    asyncio.run(run())
    return ledger.lines


async def until(reached: Callable[[], bool]) -> None:
    """Wait for it, as long as ``play`` does."""
    while not reached():  # noqa: ASYNC110 - polled under a deadline
        await asyncio.sleep(0)


async def ask(bench: LimitedBench, question: Question, reply: Reply, number: int = 1) -> Reply:
    """Have the worker answer *question* with *reply*."""
    task = bench.begin(bench.pipeline.ask(bench.context, question))
    await turn()
    bench.say(reply, number=number)
    return await task


@pytest.mark.parametrize("what", ANSWERED)
def test_a_question_is_a_request_without_tokens(what: str) -> None:
    """Whose it is, of which model; it takes a place until its route has done."""
    question, reply = ANSWERED[what]

    async def scenario(bench: LimitedBench, ledger: Ledger) -> None:
        bench.context.principal, bench.context.user = principal(), "mark"
        async with bench.pipeline.questions.of(bench.context):
            assert await ask(bench, question, reply) == reply
            assert ledger.lines == ["reserved"]
            assert bench.context.standings == [LEFT]
        [claim] = ledger.claims
        assert (claim.action, claim.model, claim.principal, claim.user) == ("ask", "demo", principal(), "mark")
        assert (claim.prompt_tokens, claim.completion_tokens, claim.answers) == (0, 0, 0)

    assert play(scenario) == ["reserved", "settled 0/0/0"]


def test_many_questions_of_one_request_are_one_request() -> None:
    """A list of texts is asked about one after the other."""

    async def scenario(bench: LimitedBench, _ledger: Ledger) -> None:
        async with bench.pipeline.questions.of(bench.context):
            for number in (1, 2, 3):
                await ask(bench, *ANSWERED["tokenise"], number)

    assert play(scenario) == ["reserved", "settled 0/0/0"]


def test_questions_that_are_asked_at_the_same_time_are_one_request() -> None:
    """All wait for the same answer of the limiters; nothing stays reserved."""

    async def scenario(bench: LimitedBench, ledger: Ledger) -> None:
        ledger.grant = asyncio.Event()
        async with bench.pipeline.questions.of(bench.context):
            tasks = [bench.begin(bench.pipeline.ask(bench.context, TOKENISE)) for _ in range(3)]
            await turn()
            assert not bench.transport.sent
            ledger.grant.set()
            await until(lambda: len(bench.transport.sent) == len(tasks))
            for number in (1, 2, 3):
                bench.say(Tokens((1,), (b"a",)), number=number)
            await asyncio.gather(*tasks)

    assert play(scenario) == ["reserved", "settled 0/0/0"]


def test_a_question_that_its_route_has_not_waited_for_keeps_nothing() -> None:
    """As when another one has failed meanwhile."""

    async def scenario(bench: LimitedBench, ledger: Ledger) -> None:
        ledger.grant = asyncio.Event()
        async with bench.pipeline.questions.of(bench.context):
            late = bench.begin(bench.pipeline.ask(bench.context, TOKENISE))
            await turn()
        ledger.grant.set()
        await until(lambda: "released" in ledger.lines)
        late.cancel()
        await asyncio.wait([late])

    assert play(scenario) == ["reserved", "released"]


def test_what_is_asked_on_behalf_of_work_counts_with_that() -> None:
    """Its route has work, so that the edge does not open it for questions."""

    async def scenario(bench: LimitedBench, ledger: Ledger) -> None:
        await ask(bench, *ANSWERED["tokenise"])
        assert not ledger.lines
        task = bench.begin(bench.generate())
        await turn()
        bench.say(Started(7, 9), finished(tokens=5), number=2)
        await task

    assert play(scenario) == ["reserved", "begun 7", "settled 7/1/5"]


def test_looking_at_a_model_is_free() -> None:
    """Operators want to see what runs above all where nothing is left."""

    async def scenario(bench: LimitedBench, _ledger: Ledger) -> None:
        async with bench.pipeline.questions.of(bench.context):
            await ask(bench, ListSequences(model="demo"), Sequences(1, ()))

    assert play(scenario) == []


def test_a_refused_question_reaches_no_worker() -> None:
    """And what is left is known."""

    async def scenario(bench: LimitedBench, ledger: Ledger) -> None:
        ledger.refusal = refusal()
        with pytest.raises(LimitExceeded):
            async with bench.pipeline.questions.of(bench.context):
                await bench.pipeline.ask(bench.context, TOKENISE)
        assert not bench.transport.sent
        assert bench.context.code == "rate_limit_exceeded"

    assert play(scenario) == []


def test_what_a_worker_refuses_counts_for_nothing() -> None:
    """As work that it refuses."""

    async def scenario(bench: LimitedBench, _ledger: Ledger) -> None:
        async def served() -> None:
            async with bench.pipeline.questions.of(bench.context):
                await bench.pipeline.ask(bench.context, TOKENISE)

        task = bench.begin(served())
        await turn()
        bench.say(RequestFailed(ErrorRecord.of(InvalidRequest("no such token"))))
        with pytest.raises(InvalidRequest):
            await task

    assert play(scenario) == ["reserved", "released"]


def test_a_client_that_leaves_has_asked() -> None:
    """Its place is free."""

    async def scenario(bench: LimitedBench, ledger: Ledger) -> None:
        async def served() -> None:
            async with bench.pipeline.questions.of(bench.context):
                await bench.pipeline.ask(bench.context, TOKENISE)

        task = bench.begin(served())
        await turn()
        assert ledger.lines == ["reserved"]
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert play(scenario) == ["reserved", "settled 0/0/0"]


def test_without_limits_nothing_is_noted() -> None:
    """No limiter is enabled."""

    async def scenario() -> None:
        bench = LimitedBench(walk())
        async with bench.pipeline.questions.of(bench.context):
            await ask(bench, *ANSWERED["tokenise"])
        assert bench.context.standings == ()

    asyncio.run(scenario())
