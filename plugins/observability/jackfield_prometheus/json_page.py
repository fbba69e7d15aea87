"""The metrics as JSON, with percentiles, for programs that speak no Prometheus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import Metric
    from prometheus_client.samples import Sample

CONTENT_TYPE: Final = "application/json"

PERCENTILES: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}

_OTHERS: Final = ("text/plain", "application/openmetrics-text")
"""What the page can be besides JSON."""


class Value(msgspec.Struct, frozen=True):
    """A counter or a gauge."""

    labels: Mapping[str, str]
    value: float


class Distribution(msgspec.Struct, frozen=True):
    """A histogram."""

    labels: Mapping[str, str]
    count: int
    sum: float
    percentiles: Mapping[str, float | None]
    """Estimated from the buckets; null while nothing was observed."""
    buckets: Mapping[str, int]
    """Upper bound → how many observations are not above it."""


class Family(msgspec.Struct, frozen=True):
    """All of one metric."""

    type: str
    help: str
    samples: Sequence[Value | Distribution]


def wants_json(accept: str) -> bool:
    """Whether the header *accept* prefers JSON to what Prometheus reads; the first one listed among equals.

    A wildcard is no wish: browsers and scrapers send one.
    """
    best, chosen = 0.0, ""
    for part in accept.split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = _quality(parameters)
        if kind in (CONTENT_TYPE, *_OTHERS) and quality > best:
            best, chosen = quality, kind
    return chosen == CONTENT_TYPE


def page(metrics: Iterable[Metric]) -> bytes:
    """*metrics* as an object: name → ``Family``."""
    families = {_name(metric): _family(metric) for metric in metrics}
    return msgspec.json.encode(families)


def percentile(bounds: Sequence[tuple[float, float]], share: float) -> float | None:
    """The value below which *share* of the observations lie, as PromQL's ``histogram_quantile`` estimates it.

    Parameters:
        bounds: Upper bound and cumulative count of each bucket, rising; the last bound is infinite.
        share: 0 to 1.

    Returns:
        Interpolated within its bucket, whose values count as evenly spread; the highest finite bound where it is in the
        last one; None without observations.
    """
    total = bounds[-1][1] if bounds else 0.0
    if not total:
        return None
    rank = share * total
    for (low, below), (high, count) in pairwise([(0.0, 0.0), *bounds]):
        if count >= rank and count > below:
            return low if high == float("inf") else low + (high - low) * (rank - below) / (count - below)
    return bounds[-1][0]


def _quality(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def _name(metric: Metric) -> str:
    """As samples are called in the text format, so that one name means one thing everywhere."""
    return f"{metric.name}_total" if metric.type == "counter" else metric.name


def _family(metric: Metric) -> Family:
    samples = _distributions(metric) if metric.type == "histogram" else _values(metric)
    return Family(metric.type, metric.documentation, samples)


def _values(metric: Metric) -> Sequence[Value]:
    return [Value(sample.labels, sample.value) for sample in metric.samples if not sample.name.endswith("_created")]


def _distributions(metric: Metric) -> Sequence[Distribution]:
    groups: dict[tuple[tuple[str, str], ...], list[Sample]] = {}
    for sample in metric.samples:
        labels = tuple((name, value) for name, value in sample.labels.items() if name != "le")
        groups.setdefault(labels, []).append(sample)
    return [_distribution(dict(labels), samples) for labels, samples in groups.items()]


def _distribution(labels: Mapping[str, str], samples: Sequence[Sample]) -> Distribution:
    buckets = {sample.labels["le"]: sample.value for sample in samples if sample.name.endswith("_bucket")}
    total = sum(sample.value for sample in samples if sample.name.endswith("_sum"))
    bounds = [(float(bound), count) for bound, count in buckets.items()]
    return Distribution(
        labels,
        int(bounds[-1][1]) if bounds else 0,
        total,
        {name: percentile(bounds, share) for name, share in PERCENTILES.items()},
        {bound: int(count) for bound, count in buckets.items()},
    )
