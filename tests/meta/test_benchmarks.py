"""What benchmarks compare with must be right, or their figures mean nothing."""

from __future__ import annotations

import random
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conversations import Trace

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def best(trace: Trace, paths: list[bytes], room: int) -> float:
    """What no cache with that room can do better, found by trying everything."""

    @cache
    def hits(turn: int, held: frozenset[bytes]) -> int:
        if turn == len(paths):
            return 0
        prefixes = [paths[turn][:end] for end in range(1, len(paths[turn]) + 1)]
        now = sum(prefix in held for prefix in prefixes[: len(trace.requests[turn].prompt) - 1])
        known = sorted(held.union(prefixes))
        return now + max(hits(turn + 1, frozenset(kept)) for kept in combinations(known, min(room, len(known))))

    return hits(0, frozenset()) / trace.prompt_tokens


@pytest.mark.parametrize("seed", range(20))
def test_the_oracle_is_optimal(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """On traces so short that every choice can be tried."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from conversations import Request, Trace

    generator = random.Random(seed)
    requests = [
        Request(bytes(generator.choices(b"ab", k=generator.randint(1, 3))), bytes(generator.choices(b"ab")))
        for _ in range(5)
    ]
    trace = Trace(requests)
    for room in (1, 2, 4):
        assert trace.oracle(room) == best(trace, [request.prompt + request.answer for request in requests], room)


def test_conversations_go_on_from_what_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same ones for the same seed; most prompts continue an earlier one and its answer."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from conversations import conversations

    requests = conversations(20, seed=3)
    assert requests == conversations(20, seed=3)
    texts = [request.prompt + request.answer for request in requests]
    later = [request for request in requests if any(request.prompt.startswith(text) for text in texts)]
    assert len(requests) - 20 == len(later) > 20
