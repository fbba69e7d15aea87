"""From outcomes to figures."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.bench.driver import Level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.bench.driver import Outcome

_MS: Final = 1000


class Spread(msgspec.Struct, frozen=True):
    """Milliseconds. Percentiles are interpolated linearly between the two nearest values, as numpy does."""

    mean: float
    p50: float
    p90: float
    p95: float
    p99: float
    max: float


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one level. None where no request succeeded."""

    level: Level
    requests: int
    failed: int
    errors: dict[str, int]
    """How often each kind of error came."""
    duration_s: float
    requests_per_s: float
    """Of those that succeeded."""
    input_tokens_per_s: float
    output_tokens_per_s: float
    mean_input_tokens: float
    mean_output_tokens: float
    mean_cached_tokens: float = 0.0
    """Of the input's: what the server had computed before."""
    ttft_ms: Spread | None
    """Time to the first token: from sending the request to its first text."""
    itl_ms: Spread | None
    """Inter-token latency: between two texts of one stream, over all streams."""
    tpot_ms: Spread | None
    """Time per output token after the first, one value a request."""
    e2e_ms: Spread | None
    """From sending the request to the end of its answer."""


def summarise(level: Level, outcomes: Sequence[Outcome], duration_s: float) -> Summary:
    """The figures of *outcomes*, which took *duration_s* seconds together."""
    good = [outcome for outcome in outcomes if outcome.error is None]
    span = max(duration_s, 1e-9)
    prompt = sum(outcome.prompt_tokens for outcome in good)
    completion = sum(outcome.completion_tokens for outcome in good)
    return Summary(
        level=level,
        requests=len(outcomes),
        failed=len(outcomes) - len(good),
        errors=dict(Counter(outcome.error for outcome in outcomes if outcome.error is not None)),
        duration_s=duration_s,
        requests_per_s=len(good) / span,
        input_tokens_per_s=prompt / span,
        output_tokens_per_s=completion / span,
        mean_input_tokens=prompt / max(1, len(good)),
        mean_output_tokens=completion / max(1, len(good)),
        mean_cached_tokens=sum(outcome.cached_tokens for outcome in good) / max(1, len(good)),
        ttft_ms=spread([outcome.ttft_s for outcome in good if outcome.ttft_s is not None]),
        itl_ms=spread([gap for outcome in good for gap in outcome.gaps_s]),
        tpot_ms=spread(_times_per_token(good)),
        e2e_ms=spread([outcome.duration_s for outcome in good]),
    )


def spread(seconds: Sequence[float]) -> Spread | None:
    """Mean and percentiles of *seconds*, in milliseconds; None of nothing."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    p50, p90, p95, p99 = (_percentile(ordered, share) * _MS for share in (0.5, 0.9, 0.95, 0.99))
    return Spread(math.fsum(ordered) / len(ordered) * _MS, p50, p90, p95, p99, ordered[-1] * _MS)


def _percentile(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _times_per_token(good: Sequence[Outcome]) -> list[float]:
    return [
        (outcome.duration_s - outcome.ttft_s) / (outcome.completion_tokens - 1)
        for outcome in good
        if outcome.ttft_s is not None and outcome.completion_tokens > 1
    ]
