"""Who has asked for something, and what is left for them: in memory, and in Redis."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.plugins.jackfield_limits.counting import Clock, claim, in_memory, in_redis, principal

from jackfield.ports.limiter import LimitBook
from jackfield_limits import roster
from jackfield_limits.config import Rule

if TYPE_CHECKING:
    from jackfield.testing.redis_server import RedisServer

RULES = (
    Rule(name="keys", per=("key",), requests={"hour": 5}, concurrency=4),
    Rule(name="both", per=("team", "model"), windows="sliding", money={"day": 3.0}),
)


@pytest.mark.parametrize("backend", ["memory", "redis"])
def test_looked_at_and_reset(backend: str, shared_redis: RedisServer) -> None:
    """The last ones first; places that are held stay held."""

    async def scenario() -> None:
        clock = Clock()
        limiter = in_memory(clock, *RULES) if backend == "memory" else in_redis(clock, shared_redis.url, *RULES)
        assert isinstance(limiter, LimitBook)
        for name in ("ann", "bob", "bob"):
            await limiter.reserve(claim(principal=principal(name, team="t")))
        found = [
            (dict(each.whose), each.standing.measure, each.standing.remaining) for each in await limiter.entries({})
        ]
        assert found == [
            ({"team": "t", "model": "demo"}, "money", 3.0),
            ({"key": "keys/bob"}, "requests", 3),
            ({"key": "keys/bob"}, "concurrency", 2),
            ({"key": "keys/ann"}, "requests", 4),
            ({"key": "keys/ann"}, "concurrency", 3),
        ]
        assert await limiter.reset({"key": "keys/bob"}) == 1
        left = {
            each.standing.measure: each.standing.remaining
            for each in await limiter.entries({"rule": "keys", "key": "keys/bob"})
        }
        assert left == {"requests": 5, "concurrency": 2}
        assert await limiter.reset({"rule": "keys", "team": "t"}) == 0
        await limiter.close()

    asyncio.run(scenario())


def test_a_question_hides_no_counter() -> None:
    """It takes no tokens and no place in a queue; what work has used up is shown and reset as before."""

    async def scenario() -> None:
        rule = Rule(name="r", per=("key",), requests={"hour": 9}, tokens={"hour": 100}, concurrency=4, queue_share=0.5)
        limiter = in_memory(Clock(), rule, answer_estimate=0)
        question = {"prompt": 0, "answers": 0, "queue": 0, "action": "ask"}
        await limiter.reserve(claim(**question))  # type: ignore[arg-type]
        asked = [each.standing for each in await limiter.entries({})]
        assert [(each.measure, each.remaining) for each in asked] == [
            ("requests", 8),
            ("tokens", 100),
            ("concurrency", 3),
        ]
        await limiter.reserve(claim(40))
        await limiter.reserve(claim(**question))  # type: ignore[arg-type]
        standings = [each.standing for each in await limiter.entries({})]
        assert [(each.measure, each.remaining, each.limit) for each in standings] == [
            ("requests", 6, 9),
            ("tokens", 60, 100),
            ("concurrency", 1, 4),
            ("queue", 3, 4),
        ]
        assert await limiter.reset({"key": "keys/ann"}) == 2
        assert [each.standing.remaining for each in await limiter.entries({})] == [9, 100, 1, 3]

    asyncio.run(scenario())


def test_it_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asked longest ago is not shown any more, and counts nevertheless."""
    monkeypatch.setattr(roster, "KEPT", 3)
    monkeypatch.setattr(roster, "SHOWN", 2)

    async def scenario() -> None:
        limiter = in_memory(Clock(), Rule(name="r", per=("end_user",), requests={"hour": 5}))
        for number in range(9):
            await limiter.reserve(claim(user=str(number)))
        assert [each.whose["end_user"] for each in await limiter.entries({})] == ["8", "7"]
        assert [each.whose["end_user"] for each in await limiter.entries({"end_user": "6"})] == ["6"]
        assert not await limiter.entries({"end_user": "5"})

    asyncio.run(scenario())
