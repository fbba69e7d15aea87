"""A Redis that is away, hangs, comes back, or has forgotten; and gateways that are killed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.plugins.jackfield_limits.counting import Clock, claim, in_redis, left, principal

from jackfield.errors import LimiterFailed, LimitExceeded
from jackfield.ports.limiter import Spent
from jackfield_limits.config import LimitsConfig, RedisConfig, Rule
from jackfield_limits.ledger import LedgerAway
from jackfield_limits.limiter import RulesLimiter
from jackfield_limits.redis_ledger import RedisLedger

if TYPE_CHECKING:
    from jackfield.testing.redis_server import RedisServer

ONE = Rule(name="r", tokens={"hour": 100}, concurrency=1)
PATIENCE_S = 60.0


def impatient(url: str, fail: str = "closed", retry_s: float = 0.0, rule: Rule = ONE) -> RulesLimiter:
    """One that waits for Redis a short time only."""
    redis = RedisConfig(url=url, timeout_s=2.0, retry_s=retry_s, prefix="same")  # a busy machine is no reason
    config = LimitsConfig(rules=(rule,), backend="redis", redis=redis, fail=fail)  # type: ignore[arg-type]  # one of two
    clock = Clock()
    return RulesLimiter(config, RedisLedger(redis, None, clock, asyncio.get_running_loop().time), clock)


async def granted(limiter: RulesLimiter) -> None:
    """Wait until a request is let in, and give back what it has taken."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                reservation = await limiter.reserve(claim())
            except (LimiterFailed, LimitExceeded):
                await asyncio.sleep(0.02)
            else:
                break
    await reservation.release()


def test_away_and_back(redis: RedisServer) -> None:
    """Nobody is let in meanwhile, and it says so."""

    async def scenario() -> None:
        limiter = impatient(redis.url)
        await (await limiter.reserve(claim())).release()
        assert not limiter.troubles
        redis.stop()
        with pytest.raises(LimiterFailed):
            await limiter.reserve(claim())
        assert "away" in " ".join(limiter.troubles)
        assert "refused" in " ".join(limiter.troubles)
        redis.start()
        await granted(limiter)
        assert not limiter.troubles
        await limiter.close()

    asyncio.run(scenario())


def test_open(redis: RedisServer) -> None:
    """Uncounted, where its operator says so; what was let in so settles without harm."""

    async def scenario() -> None:
        limiter = impatient(redis.url, fail="open")
        redis.stop()
        reservations = [await limiter.reserve(claim()) for _ in range(3)]
        assert all(not reservation.standings for reservation in reservations)
        for reservation in reservations:
            await reservation.begin(1)
            await reservation.leave_queue()
            await reservation.settle(Spent(prompt_tokens=1))
        assert "uncounted" in " ".join(limiter.troubles)
        await limiter.close()

    asyncio.run(scenario())


def test_hanging(redis: RedisServer) -> None:
    """Each waits a bounded time; then it is left alone, and nobody waits."""

    async def scenario() -> None:
        limiter = impatient(redis.url, retry_s=60.0)
        await (await limiter.reserve(claim())).release()
        redis.pause()
        async with asyncio.timeout(PATIENCE_S):
            for _ in range(50):
                with pytest.raises(LimiterFailed):
                    await limiter.reserve(claim())
        redis.resume()
        await limiter.close()

    asyncio.run(scenario())


def test_what_ended_while_it_was_away_is_settled_later(redis: RedisServer) -> None:
    """Hung, not gone: it still has what was taken, and gets to know that it is free."""

    async def scenario() -> None:
        limiter = impatient(redis.url)
        reservation = await limiter.reserve(claim(10, 90))
        redis.pause()
        with pytest.raises(LedgerAway):
            await reservation.settle(Spent(prompt_tokens=10, completion_tokens=5))
        redis.resume()
        await granted(limiter)
        after = await limiter.reserve(claim(0))
        assert left(after.standings, "tokens") == 85
        await after.release()
        await limiter.close()

    asyncio.run(scenario())


def test_a_taking_that_nobody_has_heard_of_is_taken_back(redis: RedisServer) -> None:
    """Redis takes it after the gateway has given up: nothing of it is left in the end."""

    async def scenario() -> None:
        limiter = impatient(redis.url)
        await (await limiter.reserve(claim())).release()
        redis.pause()
        with pytest.raises(LimiterFailed):
            await limiter.reserve(claim(50))
        redis.resume()
        async with asyncio.timeout(PATIENCE_S):
            while True:
                await granted(limiter)
                after = await limiter.reserve(claim(0))
                await after.release()
                if left(after.standings, "tokens") == 100:
                    break
        await limiter.close()

    asyncio.run(scenario())


def test_a_gateway_that_was_killed_gives_its_places_back(shared_redis: RedisServer) -> None:
    """After its lease; one that lives keeps them as long as it needs."""

    async def scenario() -> None:
        clock = Clock()
        killed = in_redis(clock, shared_redis.url, ONE, prefix="lease", lease_s=30.0)
        living = in_redis(clock, shared_redis.url, ONE, prefix="lease", lease_s=30.0)
        await killed.reserve(claim())
        clock.now += 29
        with pytest.raises(LimitExceeded):
            await living.reserve(claim())
        clock.now += 2
        kept = await living.reserve(claim())
        assert isinstance(living._ledger, RedisLedger)
        for _ in range(3):
            clock.now += 20
            await living._ledger._renew()
        with pytest.raises(LimitExceeded):
            await living.reserve(claim())
        await kept.release()
        await (await living.reserve(claim())).release()
        await living.close()
        await killed.close()

    asyncio.run(scenario())


def test_two_gateways_grant_as_much_as_one(shared_redis: RedisServer) -> None:
    """Together, and at the same time."""

    async def scenario() -> None:
        clock = Clock()
        rule = Rule(name="r", per=("team",), requests={"hour": 40})
        both = [in_redis(clock, shared_redis.url, rule, prefix="two", connections=4) for _ in range(2)]
        asked = claim(principal=principal(team="t"))
        calls = [limiter.reserve(asked) for _ in range(50) for limiter in both]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert sum(not isinstance(answer, BaseException) for answer in answers) == 40
        for limiter in both:
            await limiter.close()

    asyncio.run(scenario())


def test_a_redis_that_has_forgotten(redis: RedisServer) -> None:
    """It was started anew, empty: counts begin again, and what runs ends without harm."""

    async def scenario() -> None:
        limiter = impatient(redis.url)
        running = await limiter.reserve(claim(60))
        redis.stop()
        redis.start()
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    await running.settle(Spent(prompt_tokens=60))
                    break
                except Exception:  # noqa: BLE001 -- its connections are gone; the next ones are not
                    await asyncio.sleep(0.01)
        await granted(limiter)
        after = await limiter.reserve(claim(0))
        assert left(after.standings, "tokens") == 100
        await after.release()
        await limiter.close()

    asyncio.run(scenario())


def test_keys_say_nothing(shared_redis: RedisServer) -> None:
    """No name of a caller, team, model or rule stands in Redis; and everything there has an end."""

    async def scenario() -> None:
        limiter = in_redis(Clock(), shared_redis.url, ONE, prefix="hush")
        await limiter.reserve(claim(principal=principal("ann-the-admin", team="secret-team"), user="mark"))
        assert isinstance(limiter._ledger, RedisLedger)
        keys = [str(key) for key in await limiter._ledger._redis.keys("hush*")]
        assert len(keys) == 3
        assert not any(word in key for key in keys for word in ("ann", "secret", "mark", "demo"))
        for key in keys:
            assert await limiter._ledger._redis.ttl(key) > 0
        await limiter.close()

    asyncio.run(scenario())
