"""Events to metrics, and the page that shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder

from jackfield.ports.observer import RequestEnded, WorkerChanged, WorkerReported
from jackfield_prometheus.histogram import BulkHistogram
from jackfield_prometheus.json_page import CONTENT_TYPE, page, wants_json
from jackfield_prometheus.policy import PolicyMetrics
from jackfield_prometheus.workers import WorkerMetrics

if TYPE_CHECKING:
    from jackfield.ports.observer import ObservedEvent
    from jackfield_prometheus.config import PrometheusConfig

NONE: Final = "none"
"""Label value where a request had none: no model was resolved."""

OTHER: Final = "other"
"""Label value of whatever is beyond the limit."""

LATENCY_BOUNDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""Seconds: from a cached answer to the longest an answer on a processor takes."""

QUEUE_BOUNDS: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Seconds: most requests do not wait at all."""

TOKEN_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.04, 0.06, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds between tokens: readers notice 50 ms, and small models give one in a millisecond."""


class Labels:
    """Lets a bounded number of label values through.

    Parameters:
        limit: How many; any further one becomes ``other``.
    """

    __slots__ = ("_known", "_limit")

    def __init__(self, limit: int) -> None:
        self._known: set[str] = set()
        self._limit = limit

    def bounded(self, value: str) -> str:
        """*value*, or ``other``; ``none`` for an empty one."""
        if value in self._known:
            return value
        if not value:
            return NONE
        if len(self._known) >= self._limit:
            return OTHER
        self._known.add(value)
        return value


class ModelMetrics(NamedTuple):
    """The children of one model, looked up once."""

    ttft: Histogram
    queue: Histogram
    prompt_tokens: Counter
    generation_tokens: Counter
    cached_tokens: Counter


class PrometheusObserver:
    """Keeps metrics in a registry of its own. Gateway's event loop.

    Parameters:
        config: ``[config.prometheus]``.
    """

    def __init__(self, config: PrometheusConfig) -> None:
        self._registry = CollectorRegistry()
        self._models = Labels(config.label_values)
        self._routes = Labels(config.label_values)
        self._codes = Labels(config.label_values)
        self._requests = self._counter("requests", "Answered requests.", ("model", "route", "status", "code"))
        self._durations = Histogram(
            "jackfield_request_duration_seconds",
            "From a request's first byte to its answer's last.",
            ("model", "route"),
            buckets=LATENCY_BOUNDS,
            registry=self._registry,
        )
        self._ttft = self._histogram(
            "time_to_first_token_seconds", "From a request's first byte to its first text.", LATENCY_BOUNDS
        )
        self._queue = self._histogram("queue_wait_seconds", "From prepared to the first engine step.", QUEUE_BOUNDS)
        self._prompt_tokens = self._counter("prompt_tokens", "Tokens of prompts, cached ones not included.", ("model",))
        self._generation_tokens = self._counter("generation_tokens", "Tokens of answers.", ("model",))
        self._cached_tokens = self._counter("cached_tokens", "Tokens of prompts from the prefix cache.", ("model",))
        self._gaps = BulkHistogram("jackfield_inter_token_seconds", "Between two texts of one answer.", TOKEN_BOUNDS)
        self._policy = PolicyMetrics(self._registry, Labels(config.label_values).bounded)
        self._workers = WorkerMetrics(llamacpp_names=config.llamacpp_names)
        self._registry.register(self._gaps)
        self._registry.register(self._workers)
        if config.process_metrics:
            ProcessCollector(registry=self._registry)
            PlatformCollector(registry=self._registry)
        self._request_children: dict[tuple[str, str, int, str], Counter] = {}
        self._duration_children: dict[tuple[str, str], Histogram] = {}
        self._model_children: dict[str, ModelMetrics] = {}

    def observe(self, event: ObservedEvent) -> None:
        """Count *event*."""
        if isinstance(event, RequestEnded):
            self._request_ended(event)
        elif isinstance(event, WorkerReported):
            self._workers.reported(event)
        elif isinstance(event, WorkerChanged):
            self._workers.changed(event)
        else:
            self._policy.observe(event)

    def render(self, accept: str) -> tuple[str, bytes]:
        """The page, as JSON, as text or as OpenMetrics, whichever *accept* prefers."""
        if wants_json(accept):
            return CONTENT_TYPE, page(self._registry.collect())
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # a version that is no number; who writes it can have what everybody reads
            encode, content_type = choose_encoder("")
        return content_type, encode(self._registry)

    def _request_ended(self, event: RequestEnded) -> None:
        model = self._models.bounded(event.model)
        route = self._routes.bounded(event.route)
        self._request_child(model, route, event.status, self._codes.bounded(event.code)).inc()
        self._duration_child(model, route).observe(event.duration_s)
        if not event.model:
            return
        metrics = self._model(model)
        if event.ttft_s is not None:
            metrics.ttft.observe(event.ttft_s)
        if event.queue_s is not None:
            metrics.queue.observe(event.queue_s)
        metrics.prompt_tokens.inc(max(0, event.prompt_tokens - event.cached_tokens))
        metrics.generation_tokens.inc(event.completion_tokens)
        metrics.cached_tokens.inc(event.cached_tokens)
        if event.gaps_s:
            self._gaps.observe(model, event.gaps_s)

    def _request_child(self, model: str, route: str, status: int, code: str) -> Counter:
        key = (model, route, status, code)
        child = self._request_children.get(key)
        if child is None:
            child = self._request_children[key] = self._requests.labels(model, route, str(status), code)
        return child

    def _duration_child(self, model: str, route: str) -> Histogram:
        child = self._duration_children.get((model, route))
        if child is None:
            child = self._duration_children[model, route] = self._durations.labels(model, route)
        return child

    def _model(self, model: str) -> ModelMetrics:
        metrics = self._model_children.get(model)
        if metrics is None:
            metrics = self._model_children[model] = ModelMetrics(
                self._ttft.labels(model),
                self._queue.labels(model),
                self._prompt_tokens.labels(model),
                self._generation_tokens.labels(model),
                self._cached_tokens.labels(model),
            )
        return metrics

    def _counter(self, name: str, documentation: str, labels: tuple[str, ...]) -> Counter:
        return Counter(f"jackfield_{name}", documentation, labels, registry=self._registry)

    def _histogram(self, name: str, documentation: str, bounds: tuple[float, ...]) -> Histogram:
        return Histogram(f"jackfield_{name}", documentation, ("model",), buckets=bounds, registry=self._registry)
