"""What workers report about themselves, as metrics.

Workers send totals since their start. They are shown as they are: a restarted worker begins anew, which is a counter
reset as Prometheus' ``rate`` expects it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from jackfield.lifecycle import WorkerState
from jackfield.ports.observer import EngineStats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

    from jackfield.ports.observer import WorkerChanged, WorkerReported


class Figure(NamedTuple):
    """One metric that is read off ``EngineStats``."""

    name: str
    documentation: str
    value: Callable[[EngineStats], float]


GAUGES: Final = (
    Figure("jackfield_requests_running", "Requests that hold a slot.", lambda stats: stats.running),
    Figure("jackfield_requests_waiting", "Requests that wait for a slot.", lambda stats: stats.waiting),
    Figure("jackfield_kv_used_tokens", "KV cells held, in tokens.", lambda stats: stats.kv_used),
    Figure("jackfield_kv_capacity_tokens", "KV cells there are, in tokens.", lambda stats: stats.kv_total),
    Figure(
        "jackfield_kv_usage_ratio",
        "Share of the KV cells that is held, 0 to 1.",
        lambda stats: stats.kv_used / stats.kv_total if stats.kv_total else 0.0,
    ),
)

COUNTERS: Final = (
    Figure("jackfield_engine_steps", "Engine steps.", lambda stats: stats.steps),
    Figure(
        "jackfield_engine_prompt_tokens",
        "Prompt tokens computed, repeats after a preemption included, cached ones not.",
        lambda stats: stats.prompt_tokens,
    ),
    Figure("jackfield_engine_generated_tokens", "Tokens drawn.", lambda stats: stats.generated_tokens),
    Figure(
        "jackfield_engine_preemptions", "Sequences that lost their slot for lack of KV cells.", lambda s: s.preemptions
    ),
    Figure("jackfield_engine_step_seconds", "Wall time of all engine steps.", lambda stats: stats.step_s),
    Figure(
        "jackfield_engine_own_seconds",
        "The engine loop's own share of that: steps minus backend and samplers.",
        lambda stats: stats.own_s,
    ),
    Figure(
        "jackfield_engine_sampler_seconds", "Share of the steps spent drawing tokens.", lambda stats: stats.sampler_s
    ),
)

STATE: Final = "jackfield_worker_state"
RESTARTS: Final = "jackfield_worker_restarts"


class WorkerMetrics(Collector):
    """The latest of every worker. Gateway's event loop.

    Number of series: bounded by the models of the manifest.
    """

    def __init__(self) -> None:
        self._changes: dict[str, WorkerChanged] = {}
        self._stats: dict[str, EngineStats] = {}

    def changed(self, event: WorkerChanged) -> None:
        """A worker entered a state. One that does not serve holds nothing: its last figures must not linger."""
        self._changes[event.model] = event
        stats = self._stats.get(event.model)
        if stats is not None and event.state != WorkerState.READY:
            self._stats[event.model] = msgspec.structs.replace(stats, running=0, waiting=0, kv_used=0)

    def reported(self, event: WorkerReported) -> None:
        """A worker sent its figures."""
        self._stats[event.model] = event.stats

    def collect(self) -> Iterator[Metric]:
        """All metrics, for the registry."""
        for figure in GAUGES:
            gauge = GaugeMetricFamily(figure.name, figure.documentation, labels=["model"])
            for model, stats in self._stats.items():
                gauge.add_metric([model], figure.value(stats))
            yield gauge
        for figure in COUNTERS:
            counter = CounterMetricFamily(figure.name, figure.documentation, labels=["model"])
            for model, stats in self._stats.items():
                counter.add_metric([model], figure.value(stats))
            yield counter
        yield from self._states()

    def _states(self) -> Iterator[Metric]:
        state = GaugeMetricFamily(STATE, "1 for the state a worker is in, 0 for the others.", labels=["model", "state"])
        restarts = CounterMetricFamily(RESTARTS, "Starts of a worker after its first.", labels=["model"])
        for model, change in self._changes.items():
            restarts.add_metric([model], change.restarts)
            for name in WorkerState:
                state.add_metric([model, name.value], float(name.value == change.state))
        yield state
        yield restarts
