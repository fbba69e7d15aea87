"""What the metrics say after known events, and that the README says what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families

import jackfield_prometheus
from jackfield.lifecycle import WorkerState
from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.plugins import build_kernel
from jackfield.ports.observer import (
    AuditLost,
    CacheStats,
    EngineStats,
    GuardrailActed,
    LimitRefused,
    StoreStats,
    WorkerChanged,
    WorkerReported,
)
from jackfield.testing.kits.observer import ObserverKit, ended
from jackfield_prometheus.config import PrometheusConfig
from jackfield_prometheus.histogram import BulkHistogram
from jackfield_prometheus.observer import PrometheusObserver

if TYPE_CHECKING:
    from prometheus_client import Metric

    from jackfield.ports.observer import ObserverFactory

README = Path(jackfield_prometheus.__file__).with_name("README.md").read_text()
CHAT = "/v1/chat/completions"
STATS = EngineStats(
    running=4,
    waiting=2,
    kv_used=1024,
    kv_total=4096,
    steps=100,
    prompt_tokens=500,
    generated_tokens=300,
    preemptions=1,
    step_s=10.0,
    own_s=0.05,
    sampler_s=0.5,
    mask_s=0.25,
    waiting_tokens=700,
    wait_s=1.5,
    cache=CacheStats(
        lookups=10,
        hits=7,
        cached_tokens=400,
        idle_tokens=90,
        saved_bytes=1000,
        restored_bytes=600,
        evicted_tokens=50,
        recomputed={"preempted": 30, "evicted": 20},
        idle_cell_s=1e-6,
        restore_token_s=2e-5,
        kept=6,
        moved=2,
        stores=(
            StoreStats(name="memory", entries=3, used_bytes=900, limit_bytes=5000, hits=2, dropped=1),
            StoreStats(
                name="disk",
                entries=4,
                used_bytes=1900,
                limit_bytes=9000,
                hits=1,
                dropped=0,
                troubles={"disk_full": 3, "corrupt": 1},
            ),
        ),
    ),
)


class TestConformance(ObserverKit):
    """The observer passes the kit that every observer must pass."""

    @pytest.fixture
    def make_observer(self) -> ObserverFactory:
        """The observer with its defaults."""
        return lambda: PrometheusObserver(PrometheusConfig())


@pytest.fixture
def observer() -> PrometheusObserver:
    """An observer with its defaults."""
    return PrometheusObserver(PrometheusConfig())


def families(observer: PrometheusObserver) -> list[Metric]:
    """All metrics on the page, without the creation times that prometheus_client adds."""
    _, page = observer.render("text/plain")
    return [family for family in text_string_to_metric_families(page.decode()) if not family.name.endswith("_created")]


def value(observer: PrometheusObserver, name: str, **labels: str) -> float | None:
    """The value of one series; None if there is none."""
    for family in families(observer):
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return sample.value
    return None


def test_requests_are_counted_by_model_route_status_and_code(observer: PrometheusObserver) -> None:
    """One series per combination."""
    observer.observe(ended())
    observer.observe(ended())
    observer.observe(ended(status=429, code="queue_full"))
    name = "jackfield_requests_total"
    assert value(observer, name, model="demo", route=CHAT, status="200", code="stop") == 2
    assert value(observer, name, model="demo", route=CHAT, status="429", code="queue_full") == 1


def test_latencies_are_in_seconds(observer: PrometheusObserver) -> None:
    """Each in its histogram: sums as observed, and the buckets around the value."""
    observer.observe(ended(duration_s=1.5, ttft_s=0.2, queue_s=0.001, gaps_s=(0.02, 0.03)))
    assert value(observer, "jackfield_request_duration_seconds_sum", model="demo", route=CHAT) == 1.5
    assert value(observer, "jackfield_request_duration_seconds_bucket", model="demo", route=CHAT, le="1.0") == 0
    assert value(observer, "jackfield_request_duration_seconds_bucket", model="demo", route=CHAT, le="2.5") == 1
    assert value(observer, "jackfield_time_to_first_token_seconds_sum", model="demo") == 0.2
    assert value(observer, "jackfield_queue_wait_seconds_sum", model="demo") == 0.001
    assert value(observer, "jackfield_queue_wait_seconds_bucket", model="demo", le="0.001") == 1
    assert value(observer, "jackfield_inter_token_seconds_count", model="demo") == 2
    assert value(observer, "jackfield_inter_token_seconds_sum", model="demo") == 0.05
    assert value(observer, "jackfield_inter_token_seconds_bucket", model="demo", le="0.015") == 0
    assert value(observer, "jackfield_inter_token_seconds_bucket", model="demo", le="0.025") == 1


def test_what_was_not_measured_is_not_counted(observer: PrometheusObserver) -> None:
    """A refused request has no first token and no wait."""
    observer.observe(ended(status=429, code="queue_full", queue_s=None, ttft_s=None, gaps_s=()))
    assert value(observer, "jackfield_time_to_first_token_seconds_count", model="demo") == 0
    assert value(observer, "jackfield_queue_wait_seconds_count", model="demo") == 0
    assert value(observer, "jackfield_inter_token_seconds_count", model="demo") is None


def test_tokens_are_counted(observer: PrometheusObserver) -> None:
    """Of prompts what was computed and what was cached, apart; and generated ones."""
    observer.observe(ended(prompt_tokens=120, cached_tokens=100, completion_tokens=64))
    observer.observe(ended(prompt_tokens=1, cached_tokens=0, completion_tokens=1))
    assert value(observer, "jackfield_prompt_tokens_total", model="demo") == 21
    assert value(observer, "jackfield_cached_tokens_total", model="demo") == 100
    assert value(observer, "jackfield_generation_tokens_total", model="demo") == 65


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("jackfield_requests_running", 4),
        ("jackfield_requests_waiting", 2),
        ("jackfield_kv_used_tokens", 1024),
        ("jackfield_kv_capacity_tokens", 4096),
        ("jackfield_kv_usage_ratio", 0.25),
        ("jackfield_engine_steps_total", 100),
        ("jackfield_engine_prompt_tokens_total", 500),
        ("jackfield_engine_generated_tokens_total", 300),
        ("jackfield_engine_preemptions_total", 1),
        ("jackfield_engine_step_seconds_total", 10.0),
        ("jackfield_engine_own_seconds_total", 0.05),
        ("jackfield_engine_sampler_seconds_total", 0.5),
        ("jackfield_engine_mask_seconds_total", 0.25),
        ("jackfield_waiting_tokens", 700),
        ("jackfield_predicted_wait_seconds", 1.5),
        ("jackfield_prefix_cache_lookups_total", 10),
        ("jackfield_prefix_cache_hits_total", 7),
        ("jackfield_prefix_cache_cached_tokens_total", 400),
        ("jackfield_prefix_cache_idle_tokens", 90),
        ("jackfield_prefix_cache_saved_bytes_total", 1000),
        ("jackfield_prefix_cache_restored_bytes_total", 600),
        ("jackfield_prefix_cache_evicted_tokens_total", 50),
        ("jackfield_prefix_cache_idle_cell_seconds", 1e-6),
        ("jackfield_prefix_cache_restore_token_seconds", 2e-5),
    ],
)
def test_the_latest_report_of_a_worker_is_shown(observer: PrometheusObserver, name: str, expected: float) -> None:
    """Not the sum of its reports, which are totals already."""
    observer.observe(WorkerReported(model="demo", stats=msgspec.structs.replace(STATS, steps=1, running=1)))
    observer.observe(WorkerReported(model="demo", stats=STATS))
    assert value(observer, name, model="demo") == expected


@pytest.mark.parametrize(
    ("name", "label", "expected"),
    [
        ("prefix_cache_recomputed_tokens_total", "reason", {"preempted": 30, "evicted": 20}),
        ("prefix_cache_decisions_total", "decision", {"kept": 6, "moved": 2}),
        ("kv_store_entries", "store", {"memory": 3, "disk": 4}),
        ("kv_store_used_bytes", "store", {"memory": 900, "disk": 1900}),
        ("kv_store_limit_bytes", "store", {"memory": 5000, "disk": 9000}),
        ("kv_store_hits_total", "store", {"memory": 2, "disk": 1}),
        ("kv_store_dropped_total", "store", {"memory": 1, "disk": 0}),
    ],
)
def test_what_a_worker_reports_by_name(
    observer: PrometheusObserver, name: str, label: str, expected: dict[str, float]
) -> None:
    """Stores, reasons and decisions have a series each."""
    observer.observe(WorkerReported(model="demo", stats=STATS))
    got = {each: value(observer, f"jackfield_{name}", model="demo", **{label: each}) for each in expected}
    assert got == expected


def test_troubles_of_a_store_have_their_reasons(observer: PrometheusObserver) -> None:
    """One series for each that there was."""
    observer.observe(WorkerReported(model="demo", stats=STATS))
    [family] = [family for family in families(observer) if family.name == "jackfield_kv_store_troubles"]
    found = {(sample.labels["store"], sample.labels["reason"]): sample.value for sample in family.samples}
    assert found == {("disk", "disk_full"): 3, ("disk", "corrupt"): 1}


def test_a_worker_is_in_one_state(observer: PrometheusObserver) -> None:
    """1 for it and 0 for all others, and its restarts."""
    observer.observe(WorkerChanged(model="demo", state="loading", restarts=0))
    observer.observe(WorkerChanged(model="demo", state="ready", restarts=2))
    states = {
        state.value: value(observer, "jackfield_worker_state", model="demo", state=state.value) for state in WorkerState
    }
    assert states == {state.value: float(state.value == "ready") for state in WorkerState}
    assert value(observer, "jackfield_worker_restarts_total", model="demo") == 2


@pytest.mark.parametrize("state", sorted(set(WorkerState) - {WorkerState.READY}))
def test_a_worker_that_does_not_serve_holds_nothing(observer: PrometheusObserver, state: str) -> None:
    """A dead worker's last report must not look like load; its totals stay."""
    observer.observe(WorkerReported(model="demo", stats=STATS))
    observer.observe(WorkerChanged(model="demo", state=state, restarts=0))
    for name in (
        "requests_running",
        "requests_waiting",
        "waiting_tokens",
        "predicted_wait_seconds",
        "kv_used_tokens",
        "kv_usage_ratio",
        "prefix_cache_idle_tokens",
    ):
        assert value(observer, f"jackfield_{name}", model="demo") == 0
    for name in ("entries", "used_bytes"):
        assert value(observer, f"jackfield_kv_store_{name}", model="demo", store="disk") == 0
    assert value(observer, "jackfield_engine_steps_total", model="demo") == 100
    assert value(observer, "jackfield_prefix_cache_hits_total", model="demo") == 7
    assert value(observer, "jackfield_kv_store_hits_total", model="demo", store="disk") == 1


def test_label_values_are_bounded() -> None:
    """Whatever the kernel sends, the page stays small; the totals stay right."""
    observer = PrometheusObserver(PrometheusConfig(label_values=3))
    for number in range(50):
        observer.observe(ended(model=f"m{number}", route=f"/r{number}", code=f"c{number}"))
    series = [
        sample for family in families(observer) for sample in family.samples if family.name == "jackfield_requests"
    ]
    assert len(series) == 4
    assert sum(sample.value for sample in series) == 50
    assert value(observer, "jackfield_requests_total", model="other", route="other", status="200", code="other") == 47


def test_a_request_without_model_or_route_is_none(observer: PrometheusObserver) -> None:
    """It is counted, and has no latencies of a model."""
    observer.observe(ended(route="", model="", status=404, code="unknown_url", ttft_s=None, queue_s=None, gaps_s=()))
    labels = {"model": "none", "route": "none", "status": "404", "code": "unknown_url"}
    assert value(observer, "jackfield_requests_total", **labels) == 1
    assert value(observer, "jackfield_prompt_tokens_total", model="none") is None


def test_openmetrics_for_those_who_ask(observer: PrometheusObserver) -> None:
    """As Prometheus does; its strict parser reads the page."""
    for event in (
        ended(),
        WorkerReported(model="demo", stats=STATS),
        WorkerChanged(model="demo", state="ready", restarts=1),
    ):
        observer.observe(event)
    content_type, page = observer.render("application/openmetrics-text; version=1.0.0,text/plain;q=0.5")
    assert content_type.startswith("application/openmetrics-text")
    assert page.endswith(b"# EOF\n")
    read = parse_openmetrics(page.decode())  # type: ignore[no-untyped-call]  # prometheus_client's own
    assert {family.name for family in read} == {family.name for family in families(observer)}
    assert observer.render("text/html")[0].startswith("text/plain")


def test_nothing_but_our_own_metrics_unless_wanted() -> None:
    """The process's own figures are an option."""
    plain = {family.name for family in families(PrometheusObserver(PrometheusConfig()))}
    assert all(name.startswith("jackfield_") for name in plain)
    wanted = {family.name for family in families(PrometheusObserver(PrometheusConfig(process_metrics=True)))}
    assert "python_info" in wanted
    assert "process_cpu_seconds" in wanted


def test_llama_servers_names_where_wanted() -> None:
    """Dashboards made for llama-server find what is known here."""
    observer = PrometheusObserver(PrometheusConfig(llamacpp_names=True))
    stats = EngineStats(
        running=2, waiting=3, kv_used=0, kv_total=0, steps=7, prompt_tokens=5, generated_tokens=6, preemptions=0,
        step_s=0.0, own_s=0.0, sampler_s=0.0, prefill_s=2.0, decode_s=1.5, busy_slots=14, longest=40,
        cache=CacheStats(cached_tokens=9),
    )  # fmt: skip
    observer.observe(WorkerReported(model="demo", stats=stats))
    wanted = {
        "llamacpp:prompt_tokens_cached_total": 9,
        "llamacpp:prompt_seconds_total": 2,
        "llamacpp:tokens_predicted_seconds_total": 1.5,
        "llamacpp:prompt_tokens_seconds": 2.5,
        "llamacpp:predicted_tokens_seconds": 4,
        "llamacpp:n_busy_slots_per_decode": 2,
        "llamacpp:n_tokens_max": 40,
        "llamacpp:spec_decode_num_draft_tokens_total": 0,
        "llamacpp:spec_decode_num_accepted_tokens_total": 0,
        "llamacpp:spec_decode_num_drafts_total": 0,
        "llamacpp:requests_processing": 2,
        "llamacpp:requests_deferred": 3,
        "llamacpp:n_decode_total": 7,
        "llamacpp:prompt_tokens_total": 5,
        "llamacpp:tokens_predicted_total": 6,
    }
    assert {name: value(observer, name, model="demo") for name in wanted} == wanted


@given(values=st.lists(st.lists(st.floats(0, 100) | st.sampled_from([0.1, 1.0]), max_size=30), max_size=5))
def test_many_at_once_are_counted_like_one_by_one(values: list[list[float]]) -> None:
    """The bulk histogram gives what prometheus_client's own gives."""
    bounds = (0.1, 1.0, 10.0)
    bulk = BulkHistogram("h", "Of both.", bounds)
    registry = CollectorRegistry()
    single = Histogram("h", "Of both.", ("model",), buckets=bounds, registry=registry).labels("m")
    for many in values:
        bulk.observe("m", many)
        for one in many:
            single.observe(one)
    got = {(s.name, s.labels.get("le")): s.value for family in bulk.collect() for s in family.samples}
    for name, bound in [
        ("h_count", None),
        ("h_sum", None),
        *(("h_bucket", le) for le in ("0.1", "1.0", "10.0", "+Inf")),
    ]:
        expected = registry.get_sample_value(name, {"model": "m", **({"le": bound} if bound else {})})
        assert got.get((name, bound), 0.0) == pytest.approx(expected)


POLICY: Final = (
    LimitRefused(limiter="limits", measure="tokens", scope="key", model="demo"),
    GuardrailActed(guardrail="pii", stage="input", category="pii", code="email", action="masked", model="demo"),
    AuditLost(sink="audit", count=3),
)


def test_what_policies_keep_out_is_counted(observer: PrometheusObserver) -> None:
    """By whom, and of events that were lost how many."""
    for event in (*POLICY, *POLICY):
        observer.observe(event)
    samples = [(s.name, s.labels, s.value) for family in families(observer) for s in family.samples]
    limited = {"limiter": "limits", "measure": "tokens", "scope": "key", "model": "demo"}
    guarded = {"guardrail": "pii", "stage": "input", "category": "pii", "action": "masked", "model": "demo"}
    assert ("jackfield_limited_total", limited, 2.0) in samples
    assert ("jackfield_guarded_total", guarded, 2.0) in samples
    assert ("jackfield_audit_lost_total", {"sink": "audit"}, 6.0) in samples


def test_the_readme_lists_the_metrics(observer: PrometheusObserver) -> None:
    """Name, type and labels of each, and no other."""
    for event in (
        ended(),
        WorkerReported(model="demo", stats=STATS),
        WorkerChanged(model="demo", state="ready", restarts=1),
        *POLICY,
    ):
        observer.observe(event)
    shown = set()
    for family in families(observer):
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        name = family.name + "_total" if family.type == "counter" else family.name
        shown.add((name, family.type, frozenset(labels)))
    rows = re.findall(r"^\| `(jackfield_\w+)` \| (\w+) \| ([\w, ]+) \|", README, re.MULTILINE)
    assert {(name, kind, frozenset(labels.split(", "))) for name, kind, labels in rows} == shown


def test_the_readme_lists_the_options() -> None:
    """Each with its default."""
    rows = re.findall(r"^\| `(\w+)` \| `(.+?)` \|", README, re.MULTILINE)
    defaults = msgspec.to_builtins(PrometheusConfig())
    assert {name: msgspec.json.decode(default) for name, default in rows} == defaults


def test_the_plugin_hands_over_one_observer_with_its_options() -> None:
    """Under the instance's name, through the hooks alone; a nonsensical option is refused."""
    manifest = Manifest(
        enabled=(InstanceRef("metrics", "prometheus"),), kernel=KernelConfig(), config={"metrics": {"label_values": 1}}
    )
    factory = build_kernel(manifest).observers()["metrics"]
    observer = factory()
    assert isinstance(observer, PrometheusObserver)
    observer.observe(ended(model="a"))
    observer.observe(ended(model="b"))
    assert value(observer, "jackfield_prompt_tokens_total", model="other") == 20
    with pytest.raises(ValueError, match="label_values must be at least 1"):
        PrometheusConfig(label_values=0)
