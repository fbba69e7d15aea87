"""Claims, limiters and a clock, for tests of what is counted."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Final

from jackfield.ports.identity import Principal
from jackfield.ports.limiter import Claim
from jackfield_limits.config import LimitsConfig, RedisConfig
from jackfield_limits.limiter import RulesLimiter
from jackfield_limits.memory import MemoryLedger
from jackfield_limits.redis_ledger import RedisLedger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jackfield.ports.limiter import Measure, Standing
    from jackfield_limits.config import Rule

NOON: Final = 1_775_044_800.0
"""1 April 2026, in UTC."""


class Clock:
    """Stands still until somebody moves it."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def principal(name: str = "ann", **fields: object) -> Principal:
    """A caller."""
    return Principal(**{"id": name, "name": name, "fingerprint": "abc123", "authenticator": "keys", **fields})  # type: ignore[arg-type]  # a keyword per field


def claim(prompt: int = 10, completion: int = 0, **fields: object) -> Claim:
    """What a request takes."""
    usual = {"request_id": "r", "principal": principal(), "model": "demo", "action": "generate", "queue": 8}
    return Claim(**{**usual, "prompt_tokens": prompt, "completion_tokens": completion, **fields})  # type: ignore[arg-type]  # as above


def in_memory(clock: Callable[[], float], *rules: Rule, **options: object) -> RulesLimiter:
    """A limiter that counts in memory, and writes nothing down."""
    config = LimitsConfig(rules=rules, **options)  # type: ignore[arg-type]  # as above
    return RulesLimiter(config, MemoryLedger(config.counters, clock), clock)


def in_redis(clock: Callable[[], float], url: str, *rules: Rule, prefix: str = "", **options: object) -> RulesLimiter:
    """A limiter that counts in a part of Redis of its own; a busy machine does not make Redis count as away."""
    redis = RedisConfig(
        **{"url": url, "prefix": prefix or f"t-{secrets.token_hex(8)}", "timeout_s": 30.0, "retry_s": 0.0, **options}  # type: ignore[arg-type]  # as above
    )
    config = LimitsConfig(rules=rules, backend="redis", redis=redis)
    return RulesLimiter(config, RedisLedger(redis, None, clock, time.monotonic), clock)


def left(standings: Sequence[Standing], measure: Measure, window: str = "") -> float:
    """What is left of the only limit of *measure* in *window*."""
    [remaining] = [each.remaining for each in standings if each.measure == measure and window in {"", each.window}]
    return remaining
