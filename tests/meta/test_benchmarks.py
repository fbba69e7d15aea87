"""What benchmarks compare with must be right, or their figures mean nothing."""

from __future__ import annotations

import random
from functools import cache
from importlib import import_module
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(name="module")
def _module(monkeypatch: pytest.MonkeyPatch) -> Any:
    """``benchmarks/conversations.py``; scripts there import each other by their names."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return import_module("conversations")


def best(trace: Any, paths: list[bytes], room: int) -> float:
    """What no cache with that room can do better, found by trying everything."""

    @cache
    def hits(turn: int, held: frozenset[bytes]) -> int:
        if turn == len(paths):
            return 0
        prefixes = [paths[turn][:end] for end in range(1, len(paths[turn]) + 1)]
        now = sum(prefix in held for prefix in prefixes[: len(trace.requests[turn].prompt) - 1])
        known = sorted(held.union(prefixes))
        return int(now) + max(hits(turn + 1, frozenset(kept)) for kept in combinations(known, min(room, len(known))))

    return float(hits(0, frozenset()) / trace.prompt_tokens)


@pytest.mark.parametrize("seed", range(20))
def test_the_oracle_is_optimal(seed: int, module: Any) -> None:
    """On traces so short that every choice can be tried."""
    generator = random.Random(seed)
    requests = [
        module.Request(bytes(generator.choices(b"ab", k=generator.randint(1, 3))), bytes(generator.choices(b"ab")))
        for _ in range(5)
    ]
    trace = module.Trace(requests)
    for room in (1, 2, 4):
        assert trace.oracle(room) == best(trace, [request.prompt + request.answer for request in requests], room)


def test_conversations_go_on_from_what_was_said(module: Any) -> None:
    """The same ones for the same seed; most prompts continue an earlier one and its answer."""
    requests = module.conversations(20, seed=3)
    assert requests == module.conversations(20, seed=3)
    texts = [request.prompt + request.answer for request in requests]
    later = [request for request in requests if any(request.prompt.startswith(text) for text in texts)]
    assert len(requests) - 20 == len(later) > 20


def test_what_no_cache_surpasses_lies_between_a_simple_one_and_the_oracle(module: Any) -> None:
    """With room for everything it has all that was ever said, as the oracle has."""
    requests = module.conversations(60, seed=5)
    trace = module.Trace(requests)
    assert module.online_bound(requests, trace.distinct) == pytest.approx(trace.oracle(trace.distinct), abs=0.002)
    for share in (0.1, 0.2, 0.4):
        room = round(trace.distinct * share)
        assert trace.least_recently_used(room) <= module.online_bound(requests, room) <= trace.oracle(room)
