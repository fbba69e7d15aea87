"""What workers report about themselves, as metrics.

Workers send totals since their start. They are shown as they are: a restarted worker begins anew, which is a counter
reset as Prometheus' ``rate`` expects it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from jackfield.lifecycle import WorkerState
from jackfield_prometheus.figures import COUNTERS, GAUGES, LLAMACPP_COUNTERS, LLAMACPP_GAUGES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

    from jackfield.ports.observer import EngineStats, WorkerChanged, WorkerReported
    from jackfield_prometheus.figures import Figure


STATE: Final = "jackfield_worker_state"
RESTARTS: Final = "jackfield_worker_restarts"


class WorkerMetrics(Collector):
    """The latest of every worker. Gateway's event loop.

    Parameters:
        llamacpp_names: Also show what llama-server has under its names.

    Number of series: bounded by the models and stores of the manifest, and by the engine's own reasons.
    """

    def __init__(self, *, llamacpp_names: bool = False) -> None:
        self._gauges = (*GAUGES, *LLAMACPP_GAUGES) if llamacpp_names else GAUGES
        self._counters = (*COUNTERS, *LLAMACPP_COUNTERS) if llamacpp_names else COUNTERS
        self._changes: dict[str, WorkerChanged] = {}
        self._stats: dict[str, EngineStats] = {}

    def changed(self, event: WorkerChanged) -> None:
        """A worker entered a state. One that does not serve holds nothing: its last figures must not linger."""
        self._changes[event.model] = event
        stats = self._stats.get(event.model)
        if stats is not None and event.state != WorkerState.READY:
            self._stats[event.model] = _stopped(stats)

    def reported(self, event: WorkerReported) -> None:
        """A worker sent its figures."""
        self._stats[event.model] = event.stats

    def collect(self) -> Iterator[Metric]:
        """All metrics, for the registry."""
        for figure in self._gauges:
            yield self._family(GaugeMetricFamily, figure)
        for figure in self._counters:
            yield self._family(CounterMetricFamily, figure)
        yield from self._states()

    def _family(self, kind: type[GaugeMetricFamily | CounterMetricFamily], figure: Figure) -> Metric:
        family = kind(figure.name, figure.documentation, labels=["model", *figure.labels])
        for model, stats in self._stats.items():
            for labels, value in figure.values(stats):
                family.add_metric([model, *labels], value)
        return family

    def _states(self) -> Iterator[Metric]:
        state = GaugeMetricFamily(STATE, "1 for the state a worker is in, 0 for the others.", labels=["model", "state"])
        restarts = CounterMetricFamily(RESTARTS, "Starts of a worker after its first.", labels=["model"])
        for model, change in self._changes.items():
            restarts.add_metric([model], change.restarts)
            for name in WorkerState:
                state.add_metric([model, name.value], float(name.value == change.state))
        yield state
        yield restarts


def _stopped(stats: EngineStats) -> EngineStats:
    """What is left of *stats* when the worker serves no more: its totals."""
    stores = tuple(msgspec.structs.replace(store, entries=0, used_bytes=0) for store in stats.cache.stores)
    cache = msgspec.structs.replace(stats.cache, idle_tokens=0, stores=stores)
    return msgspec.structs.replace(stats, running=0, waiting=0, waiting_tokens=0, wait_s=0.0, kv_used=0, cache=cache)
