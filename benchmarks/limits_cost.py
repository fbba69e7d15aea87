"""What limits cost a request: ``python benchmarks/limits_cost.py``.

Limiters are made as a gateway makes them. Each request is reserved, begun, and settled with less than was reserved, one
after the other and then so many at once; the clock is the wall's, and the processor's time of this process stands
beside it. Redis is a real one on a Unix socket of this machine, and its own time is not in the processor's.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import uvloop
from serving import progress

from jackfield.logs import configure_logs
from jackfield.manifest_layers import load_manifest
from jackfield.plugins import build_kernel
from jackfield.ports.identity import Principal
from jackfield.ports.limiter import Claim, Spent
from jackfield.testing.redis_server import RedisServer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.ports.limiter import Limiter, LimiterFactory

KEYS: Final = 100
WARM: Final = 300
ALONE: Final = 3000
AT_ONCE: Final = 32
ROUNDS: Final = 60

ONE: Final = 'name = "keys"\nper = ["key"]\nrequests = { minute = 1000000 }\n'
USUAL: Final = """\
name = "keys"
per = ["key"]
requests = { minute = 1000000, day = 100000000 }
tokens = { minute = 100000000 }
concurrency = 10000
[[config.limits.rules]]
name = "teams"
per = ["team"]
money = { month = 100000.0 }
"""
RULES: Final = {"one limit": ONE, "six limits": USUAL}


def run() -> dict[str, Any]:
    """All figures, in microseconds a request."""
    configure_logs("error", "auto")
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="jf") as folder, RedisServer(Path(folder)) as redis:
        for backend in ("memory", "redis"):
            for name, rules in RULES.items():
                found[f"{backend}, {name}"] = uvloop.run(measured(made(manifest(backend, redis.url, rules))))
                progress(f"{backend}, {name}: {found[f'{backend}, {name}']}")
    return found


def manifest(backend: str, url: str, rules: str) -> str:
    """A text of a ``plugins.toml``."""
    options = f'backend = "{backend}"\nfile = ""\nredis = {{ url = "{url}" }}\n'
    prices = "[config.limits.prices.demo]\ninput = 1.0\noutput = 3.0\n"
    return f'enabled = ["limits"]\n[config.limits]\n{options}{prices}[[config.limits.rules]]\n{rules}'


def made(text: str) -> LimiterFactory:
    """What the plugin hands over for such a file."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "plugins.toml")
        file.write_text(text)
        return build_kernel(load_manifest(file, environ={})).limiters()["limits"]


async def measured(make: LimiterFactory) -> Mapping[str, float]:
    """One after the other, and many at once."""
    limiter = make()
    for number in range(WARM):
        await served(limiter, number)
    alone, processor = await one_by_one(limiter)
    began = time.perf_counter()
    for number in range(ROUNDS):
        await asyncio.gather(*(served(limiter, number * AT_ONCE + each) for each in range(AT_ONCE)))
    rate = ROUNDS * AT_ONCE / (time.perf_counter() - began)
    await limiter.close()
    cuts = statistics.quantiles(alone, n=100)
    return {
        "p50_us": round(cuts[49], 1),
        "p99_us": round(cuts[98], 1),
        "processor_us": round(processor, 1),
        f"requests_a_second_of_{AT_ONCE}": round(rate),
    }


async def one_by_one(limiter: Limiter) -> tuple[list[float], float]:
    """What each took by the wall's clock, and all of them by the processor's, for one."""
    alone = []
    processor = time.process_time()
    for number in range(ALONE):
        began = time.perf_counter()
        await served(limiter, number)
        alone.append((time.perf_counter() - began) * 1e6)
    return alone, (time.process_time() - processor) / ALONE * 1e6


async def served(limiter: Limiter, number: int) -> None:
    """A request from its reservation to its end."""
    name = f"key-{number % KEYS}"
    principal = Principal(id=name, name=name, fingerprint="abc123", team=f"team-{number % 10}", authenticator="keys")
    claim = Claim(
        request_id="r", principal=principal, model="demo", action="generate", prompt_tokens=100, completion_tokens=500
    )
    reservation = await limiter.reserve(claim)
    await reservation.begin(110)
    await reservation.leave_queue()
    await reservation.settle(Spent(prompt_tokens=110, completion_tokens=64))


if __name__ == "__main__":
    json.dump(run(), sys.stdout, indent=2)
