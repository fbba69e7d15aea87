"""Counts in memory and in Redis, side by side: never above the limit, refunds to the token, and the same answers."""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine
from tests.plugins.jackfield_limits.counting import Clock, claim, in_memory, in_redis, principal

from jackfield.errors import LimitExceeded
from jackfield.ports.limiter import Spent
from jackfield_limits.config import Price, Rule
from jackfield_limits.redis_ledger import RedisLedger

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from jackfield.ports.limiter import Claim, Reservation
    from jackfield.testing.redis_server import RedisServer
    from jackfield_limits.limiter import RulesLimiter
    from jackfield_limits.rules import Charge

T = TypeVar("T")

TOKENS: Final = 100
REQUESTS: Final = 5
PLACES: Final = 3
RULES: Final = (
    Rule(
        name="fixed",
        per=("key",),
        tokens={"minute": TOKENS, "hour": 3 * TOKENS},
        requests={"minute": REQUESTS},
        concurrency=PLACES,
        queue_share=0.5,
        money={"day": 1.0},
    ),
    Rule(name="sliding", windows="sliding", prompt_tokens={"minute": TOKENS}, completion_tokens={"second": 2 * TOKENS}),
)
PRICES: Final = {"demo": Price(input=500.0, cached=50.0, output=1500.0)}
NAMES: Final = ("ann", "bob")
_SMALL: Final = st.integers(0, 60)


@dataclass
class Running:
    """A request that both have let in."""

    claim: Claim
    both: tuple[Reservation, Reservation]
    minute: int
    tokens: int
    """That count for it at present."""
    begun: bool = False


class Machine(RuleBasedStateMachine):
    """Requests of two keys that begin, are measured and end in every way, while time passes."""

    url = ""
    running = Bundle("running")

    @initialize()
    def open(self) -> None:
        """Two limiters, one clock, and a book of what should be counted."""
        self.runner = asyncio.Runner()
        self.clock = Clock()
        self.memory = in_memory(self.clock, *RULES, prices=PRICES)
        self.redis = in_redis(self.clock, self.url, *RULES)
        self.redis._prices = self.memory._prices
        self.counted: dict[tuple[str, int], int] = defaultdict(int)
        """Tokens, by key and minute."""
        self.besides: dict[tuple[str, int], int] = defaultdict(int)
        """Tokens that were used beyond the estimate."""

    def run(self, work: Coroutine[None, None, T]) -> T:
        """On the machine's loop."""
        return self.runner.run(work)

    @rule(target=running, name=st.sampled_from(NAMES), prompt=_SMALL, completion=_SMALL)
    def reserve(self, name: str, prompt: int, completion: int) -> object:
        """Both say yes, with the same left; or both say no, for the same reason."""
        asked = claim(prompt, completion, principal=principal(name))
        answers = [self.run(_reserved(limiter, asked)) for limiter in (self.memory, self.redis)]
        memory, redis = answers
        assert memory.standings == redis.standings
        if isinstance(memory, LimitExceeded) or isinstance(redis, LimitExceeded):
            assert isinstance(memory, LimitExceeded)
            assert isinstance(redis, LimitExceeded)
            assert (memory.measure, memory.scope, memory.message) == (redis.measure, redis.scope, redis.message)
            assert memory.retry_after == pytest.approx(redis.retry_after)
            return multiple()
        minute = int(self.clock.now // 60)
        self.counted[name, minute] += prompt + completion
        assert self.counted[name, minute] <= TOKENS + self.besides[name, minute]
        return Running(asked, (memory, redis), minute, prompt + completion)

    @rule(request=running, prompt=_SMALL)
    def begin(self, request: Running, prompt: int) -> None:
        """The prompt is counted, as more or less than was estimated."""
        if not request.begun:
            request.begun = True
            for reservation in request.both:
                self.run(reservation.begin(prompt))
            self.count(request, prompt + request.claim.completion_tokens)

    @rule(request=running)
    def leave_queue(self, request: Running) -> None:
        """Its first text has come."""
        for reservation in request.both:
            self.run(reservation.leave_queue())

    @rule(request=consumes(running), prompt=_SMALL, completion=_SMALL, cached=_SMALL)
    def settle(self, request: Running, prompt: int, completion: int, cached: int) -> None:
        """It ends with any use."""
        spent = Spent(prompt_tokens=prompt, cached_tokens=min(prompt, cached), completion_tokens=completion)
        for reservation in request.both:
            self.run(reservation.settle(spent))
        self.count(request, prompt + completion)

    @rule(request=consumes(running))
    def release(self, request: Running) -> None:
        """It is refused later."""
        for reservation in request.both:
            self.run(reservation.release())
        self.count(request, 0)

    @rule(seconds=st.sampled_from([0.25, 1.0, 7.5, 29.9, 60.0, 61.0, 3600.0, 86_400.0]))
    def wait(self, seconds: float) -> None:
        """Time passes, in which the gateway lives on: its places stay its own."""
        self.clock.now += seconds
        self.run(_renewed(self.redis))

    @invariant()
    def counts_are_exact(self) -> None:
        """In this minute, in both, for both keys."""
        if not hasattr(self, "memory"):
            return
        minute = int(self.clock.now // 60)
        expected = [self.counted[name, minute] for name in NAMES]
        charges = [
            charge
            for name in NAMES
            for charge in self.memory._rules[0].charges(claim(principal=principal(name)))
            if charge.key.endswith(":tokens:minute")
        ]
        for limiter in (self.memory, self.redis):
            assert self.run(_looked(limiter, charges)) == expected

    def count(self, request: Running, tokens: int) -> None:
        """Book what counts for *request* now."""
        assert request.claim.principal is not None
        place = (request.claim.principal.name, request.minute)
        self.counted[place] += tokens - request.tokens
        self.besides[place] += max(0, tokens - request.tokens)
        request.tokens = tokens

    def teardown(self) -> None:
        """Close both."""
        if hasattr(self, "memory"):
            self.run(self.memory.close())
            self.run(self.redis.close())
            self.runner.close()


async def _reserved(limiter: RulesLimiter, asked: Claim) -> Reservation | LimitExceeded:
    try:
        return await limiter.reserve(asked)
    except LimitExceeded as error:
        return error


async def _renewed(limiter: RulesLimiter) -> None:
    assert isinstance(limiter._ledger, RedisLedger)
    await limiter._ledger._renew()


async def _looked(limiter: RulesLimiter, charges: Sequence[Charge]) -> list[int]:
    return [count.current for count in await limiter._ledger.look(charges)]


def test_memory_and_redis_agree(shared_redis: RedisServer) -> None:
    """Whatever happens, in any order; no window ever has more than its limit and what was used beyond estimates."""
    machine = type("WithRedis", (Machine,), {"url": shared_redis.url})
    run_machine(machine, settings=settings(max_examples=40, stateful_step_count=30, deadline=None))


def test_a_sliding_window_is_never_above_its_limit() -> None:
    """Requests as fast as they are let in, for ten minutes: in each minute of the clock at most the limit."""

    async def scenario() -> None:
        clock = Clock()
        limiter = in_memory(clock, Rule(name="r", windows="sliding", requests={"minute": 7}))
        granted: dict[int, int] = defaultdict(int)
        for _ in range(4 * 600):
            clock.now += 0.25
            if not isinstance(await _reserved(limiter, claim()), LimitExceeded):
                granted[math.floor(clock.now / 60)] += 1
        assert max(granted.values()) == 7
        assert sum(granted.values()) >= 7 * 9

    asyncio.run(scenario())
