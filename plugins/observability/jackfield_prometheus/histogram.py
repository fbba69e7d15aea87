"""A histogram that takes many observations at once.

A request brings one gap per token when it ends. prometheus_client takes observations one by one, each through a lock
and a walk along the buckets: milliseconds for a thousand tokens, on the event loop that serves all streams. Sorting the
gaps once and looking up each bucket's bound takes some 40 µs.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prometheus_client import Metric


class BulkHistogram(Collector):
    """A histogram with one label, ``model``. Gateway's event loop.

    Parameters:
        name: Of the metric.
        documentation: One sentence.
        bounds: Upper bounds of the buckets, rising, without infinity.
    """

    def __init__(self, name: str, documentation: str, bounds: Sequence[float]) -> None:
        self._name = name
        self._documentation = documentation
        self._bounds = tuple(bounds)
        self._counts: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}

    def observe(self, model: str, values: Sequence[float]) -> None:
        """Count *values*, in any order."""
        counts = self._counts.setdefault(model, [0] * (len(self._bounds) + 1))
        ordered = sorted(values)
        # a bucket holds what is at most its bound: what stands up to there, less what stood up to the bound before
        edges = [0, *(bisect_right(ordered, bound) for bound in self._bounds), len(ordered)]
        for index, (low, high) in enumerate(pairwise(edges)):
            counts[index] += high - low
        self._sums[model] = self._sums.get(model, 0.0) + sum(ordered)

    def collect(self) -> Iterator[Metric]:
        """The metric, for the registry."""
        family = HistogramMetricFamily(self._name, self._documentation, labels=["model"])
        for model, counts in self._counts.items():
            total = 0
            buckets: list[tuple[str, float]] = []
            for bound, count in zip((*map(str, self._bounds), "+Inf"), counts, strict=True):
                total += count
                buckets.append((bound, total))
            family.add_metric([model], buckets, self._sums[model])
        yield family
