"""Windows, prices, waits, and counters that are bounded."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits.strategies import FixedWindowRateLimiter, SlidingWindowCounterRateLimiter
from tests.plugins.jackfield_limits.counting import NOON, Clock, claim, in_memory, left, principal

from jackfield.errors import BudgetExceeded, LimitExceeded
from jackfield.ports.limiter import Spent
from jackfield_limits.config import Price, Rule
from jackfield_limits.counters import Counters
from jackfield_limits.item import Item
from jackfield_limits.prices import BILLIONTHS, Prices, Use
from jackfield_limits.windows import SECONDS, Spans


@pytest.mark.parametrize("window", SECONDS)
@given(now=st.floats(0, 4e9))
def test_a_moment_is_in_one_window(window: str, now: float) -> None:
    """Whose neighbours have the numbers beside its own."""
    span = Spans().at(window, now)
    assert span.start <= now < span.end
    assert Spans().at(window, span.end).number == span.number + 1
    assert Spans().at(window, span.end).start == span.end
    assert 0 <= span.left(now) <= 1


def test_months_are_the_calendars() -> None:
    """In UTC, February of a leap year included."""
    span = Spans().at("month", datetime(2028, 2, 29, 23, tzinfo=UTC).timestamp())
    assert datetime.fromtimestamp(span.start, UTC) == datetime(2028, 2, 1, tzinfo=UTC)
    assert datetime.fromtimestamp(span.end, UTC) == datetime(2028, 3, 1, tzinfo=UTC)


def test_prices() -> None:
    """By the first pattern that fits; cached tokens have their own; rounded up to a billionth, and not more."""
    prices = Prices({"large-*": Price(input=3.0, cached=0.3, output=15.0), "*": Price(input=0.1)})
    assert prices.cost("large-1", Use(1_000_000, 0, 0)) == 3 * BILLIONTHS
    assert prices.cost("large-1", Use(1_000_000, 400_000, 1_000_000)) == round((1.8 + 0.12 + 15) * BILLIONTHS)
    assert prices.cost("small", Use(prompt=1, completion=10**6)) == 100
    assert prices.cost("small", Use(prompt=3, cached=9)) == 300
    assert Prices({}).cost("small", Use(10**9)) == 0


def test_the_library_decides_by_these_counters() -> None:
    """Its strategies work with them alone, in windows of the calendar."""
    clock = Clock()
    counters = Counters(100, clock)
    for strategy, key in ((FixedWindowRateLimiter(counters), "f:"), (SlidingWindowCounterRateLimiter(counters), "s:")):
        item = Item(3, SECONDS["minute"])
        assert [strategy.hit(item, f"{key}requests:minute") for _ in range(4)] == [True, True, True, False]
        clock.now += 60
    assert counters.check()
    strategy = SlidingWindowCounterRateLimiter(counters)
    assert not strategy.hit(item, "s:requests:minute")
    strategy.clear(item, "s:requests:minute")
    assert strategy.hit(item, "s:requests:minute")
    assert counters.reset() == 2
    assert strategy.get_window_stats(item, "s:requests:minute").remaining == 3


def test_refunds_go_where_they_came_from() -> None:
    """Into the window before, while that counts; into none that is forgotten, and never below zero."""
    clock = Clock()
    counters = Counters(100, clock)
    number = counters.add("a:tokens:minute", 10)
    clock.now += 60
    counters.add("a:tokens:minute", 5)
    counters.add("a:tokens:minute", -4, number)
    found = counters.find("a:tokens:minute")
    assert found is not None
    assert (found.current, found.previous) == (5, 6)
    clock.now += 60
    counters.add("a:tokens:minute", -6, number)
    found = counters.find("a:tokens:minute")
    assert found is not None
    assert (found.current, found.previous) == (0, 5)
    counters.add("a:tokens:minute", -9)
    assert counters.get("a:tokens:minute") == 0


def test_a_clock_that_is_set_back_gives_nothing_back() -> None:
    """The window stays the one it was."""
    clock = Clock()
    counters = Counters(100, clock)
    counters.add("a:requests:hour", 7)
    clock.now -= 7200
    assert counters.get("a:requests:hour") == 7


def test_counters_are_bounded() -> None:
    """Those that do not count any more go first, then those used longest ago; that is a trouble."""

    async def scenario() -> None:
        clock = Clock()
        limiter = in_memory(clock, Rule(name="r", per=("end_user",), requests={"minute": 2}), counters=100)
        for number in range(100):
            await limiter.reserve(claim(user=str(number)))
        clock.now += 120
        for number in range(100):
            await limiter.reserve(claim(user=f"later {number}"))
        assert not limiter.troubles
        await limiter.reserve(claim(user="one more"))
        [trouble] = limiter.troubles
        assert "counters" in trouble

    asyncio.run(scenario())


def test_many_users_do_not_forget_who_is_still_asking() -> None:
    """A counter that is used stays, however many others come."""

    async def scenario() -> None:
        limiter = in_memory(Clock(), Rule(name="r", per=("end_user",), requests={"hour": 1000}), counters=50)
        for number in range(500):
            await limiter.reserve(claim(user="mine"))
            await limiter.reserve(claim(user=str(number)))
        mine = await limiter.reserve(claim(user="mine"))
        assert left(mine.standings, "requests") == 499

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("rule", "completion", "kind", "message"),
    [
        (Rule(name="r", requests={"minute": 1}), 0, LimitExceeded, "1 requests a minute is reached"),
        (Rule(name="r", per=("key",), requests={"day": 1}), 0, LimitExceeded, "a day for this key"),
        (Rule(name="r", tokens={"hour": 25}), 5, LimitExceeded, "25 tokens an hour"),
        (Rule(name="r", tokens={"month": 25}), 5, BudgetExceeded, "the budget of 25 tokens a month is used up"),
        (Rule(name="r", money={"day": 0.02}), 5, BudgetExceeded, "the budget of 0.02 EUR a day"),
        (Rule(name="r", money={"day": 0.02}), 90, BudgetExceeded, "may use 0.1 EUR, more than its limit of 0.02 EUR"),
        (Rule(name="r", tokens={"minute": 25}), 90, BudgetExceeded, "may use 100, more than its limit of 25 tokens"),
        (Rule(name="r", concurrency=1), 0, LimitExceeded, "1 requests at a time"),
    ],
)
def test_what_callers_are_told(rule: Rule, completion: int, kind: type[LimitExceeded], message: str) -> None:
    """Which limit it is, and when to come back; budgets, and what can never fit, are not to be tried again."""

    async def scenario() -> None:
        prices = {"demo": Price(input=1000.0, output=1000.0)}
        limiter = in_memory(Clock(), rule, prices=prices, currency="EUR")
        if completion < 90:
            await limiter.reserve(claim(10, 5))
        with pytest.raises(LimitExceeded, match=message) as refused:
            await limiter.reserve(claim(10, completion))
        assert type(refused.value) is kind
        assert refused.value.retry_after is not None

    asyncio.run(scenario())


def test_of_several_limits_the_one_to_wait_for_longest() -> None:
    """Whoever comes back then is not refused for another one."""

    async def scenario() -> None:
        clock = Clock(NOON + 30)
        limiter = in_memory(clock, Rule(name="r", requests={"minute": 1, "hour": 1}, concurrency=1))
        await limiter.reserve(claim())
        with pytest.raises(LimitExceeded) as refused:
            await limiter.reserve(claim())
        assert refused.value.retry_after == 3570
        assert {each.window: each.remaining for each in refused.value.standings} == {"minute": 0, "hour": 0, "": 0}

    asyncio.run(scenario())


@given(
    used=st.lists(st.integers(1, 10), max_size=8),
    amount=st.integers(1, 10),
    seconds=st.floats(0, 59),
    later=st.floats(0, 59),
)
def test_who_comes_back_when_told_is_let_in(used: list[int], amount: int, seconds: float, later: float) -> None:
    """With windows that slide, where nobody else has come meanwhile."""

    async def scenario() -> None:
        clock = Clock(NOON + seconds)
        limiter = in_memory(clock, Rule(name="r", windows="sliding", prompt_tokens={"minute": 20}))
        for number, tokens in enumerate(used):
            if number == len(used) // 2:
                clock.now += later
            try:
                await limiter.reserve(claim(tokens))
            except LimitExceeded:
                break
        try:
            await limiter.reserve(claim(amount))
        except LimitExceeded as error:
            clock.now += (error.retry_after or 0.0) + 0.001
            await limiter.reserve(claim(amount))

    asyncio.run(scenario())


def test_answers_are_reserved_as_far_as_the_operator_wants() -> None:
    """What an answer has besides is charged at its end, above the limit where it must be."""

    async def scenario() -> None:
        limiter = in_memory(Clock(), Rule(name="r", tokens={"hour": 100}), answer_estimate=20)
        reservation = await limiter.reserve(claim(10, 2048, answers=2))
        assert left(reservation.standings, "tokens") == 50
        await reservation.settle(Spent(prompt_tokens=10, completion_tokens=500))
        with pytest.raises(LimitExceeded):
            await limiter.reserve(claim(1))

    asyncio.run(scenario())


def test_the_queue_is_each_models_own() -> None:
    """Of its places a part, one at least; more answers than that wait where nobody else's do."""

    async def scenario() -> None:
        limiter = in_memory(Clock(), Rule(name="r", per=("key",), queue_share=0.25))
        waiting = await limiter.reserve(claim(answers=5, queue=8))
        for refused in (claim(queue=8), claim(queue=8, answers=9)):
            with pytest.raises(LimitExceeded) as error:
                await limiter.reserve(refused)
            assert (error.value.measure, error.value.retry_after) == ("queue", 1.0)
        await (await limiter.reserve(claim(queue=8, model="other"))).release()
        await (await limiter.reserve(claim(queue=8, principal=principal("bob")))).release()
        await waiting.begin(10)
        with pytest.raises(LimitExceeded):
            await limiter.reserve(claim(queue=8))
        await waiting.leave_queue()
        small = await limiter.reserve(claim(queue=0))
        assert left(small.standings, "queue") == 0

    asyncio.run(scenario())


def test_a_question_takes_a_request_and_a_place_alone() -> None:
    """Also where tokens, money and the queue are used up; refused where no request or no place is left."""

    async def scenario() -> None:
        rule = Rule(
            name="r", requests={"hour": 4}, tokens={"hour": 100}, money={"day": 1e-6}, concurrency=2, queue_share=0.1
        )
        prices = {"demo": Price(input=1.0, output=1.0)}
        limiter = in_memory(Clock(), rule, prices=prices, answer_estimate=0)
        used = await limiter.reserve(claim(1))
        await used.settle(Spent(prompt_tokens=10, completion_tokens=500))
        with pytest.raises(LimitExceeded):
            await limiter.reserve(claim(1))
        question = {"prompt": 0, "answers": 0, "queue": 0, "action": "ask"}
        first, second = [await limiter.reserve(claim(**question)) for _ in range(2)]  # type: ignore[arg-type]
        assert [(each.measure, each.remaining) for each in second.standings] == [("requests", 1), ("concurrency", 0)]
        with pytest.raises(LimitExceeded) as error:
            await limiter.reserve(claim(**question))  # type: ignore[arg-type]
        assert error.value.measure == "concurrency"
        await first.settle(Spent())
        await second.release()
        for _ in range(2):
            await (await limiter.reserve(claim(**question))).settle(Spent())  # type: ignore[arg-type]
        with pytest.raises(LimitExceeded) as error:
            await limiter.reserve(claim(**question))  # type: ignore[arg-type]
        assert error.value.measure == "requests"

    asyncio.run(scenario())


def test_rules_about_questions_alone() -> None:
    """Work passes them by, and questions those about work."""

    async def scenario() -> None:
        asking = Rule(name="asking", actions=("ask",), requests={"hour": 1})
        working = Rule(name="working", actions=("generate",), requests={"hour": 1})
        limiter = in_memory(Clock(), asking, working)
        for action, rule in (("ask", "asking"), ("generate", "working")):
            reservation = await limiter.reserve(claim(0, answers=0 if action == "ask" else 1, action=action))
            assert [each.rule for each in reservation.standings] == [rule]

    asyncio.run(scenario())
