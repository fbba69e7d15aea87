"""The kits of the hooks that the plugin implements: counting in memory, and in a real Redis."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

import pytest

from jackfield.testing.kits.config import ConfigKit
from jackfield.testing.kits.limiter import LimiterKit
from jackfield_limits.config import LimitsConfig, RedisConfig, Rule
from jackfield_limits.limiter import RulesLimiter
from jackfield_limits.redis_ledger import RedisLedger

if TYPE_CHECKING:
    from jackfield.ports.limiter import LimiterFactory
    from jackfield.testing.redis_server import RedisServer

NEEDS = {"requests": 5, "tokens": 1000, "concurrency": 3}
RULE = """
[[config.limits.rules]]
name = "kit"
per = ["key"]
requests = { month = 5 }
tokens = { month = 1000 }
concurrency = 3
"""
RULES = (
    Rule(name="kit", per=("key",), requests={"month": 5}, tokens={"month": 1000}, concurrency=3),
    Rule(name="all", requests={"hour": 10**9}, queue_share=1.0),
)


class TestConfig(ConfigKit):
    """Its options."""

    manifest = 'enabled = ["limits"]'


class TestMemory(LimiterKit):
    """As the plugin makes it."""

    manifest = 'enabled = ["limits"]\n[config.limits]\nfile = ""' + RULE
    needs = NEEDS


class TestRedis(LimiterKit):
    """The same rules."""

    needs = NEEDS

    @pytest.fixture
    def make_limiter(self, shared_redis: RedisServer) -> LimiterFactory:
        """In a part of Redis of its own; a busy machine does not make Redis count as away."""

        def make() -> RulesLimiter:
            prefix = f"kit-{secrets.token_hex(8)}"
            redis = RedisConfig(url=shared_redis.url, prefix=prefix, timeout_s=30.0, retry_s=0.0)
            config = LimitsConfig(rules=RULES, backend="redis", redis=redis)
            return RulesLimiter(config, RedisLedger(redis, None, time.time, time.monotonic), time.time)

        return make
