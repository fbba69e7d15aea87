"""The metrics page as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from jackfield.ports.observer import RequestEnded, WorkerChanged
from jackfield_prometheus.config import PrometheusConfig
from jackfield_prometheus.json_page import percentile, wants_json
from jackfield_prometheus.observer import PrometheusObserver

if TYPE_CHECKING:
    from typing import Any

INFINITE = float("inf")


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("application/json", True),
        ("Application/JSON", True),
        ("application/json; charset=utf-8", True),
        ("application/json, text/plain, */*", True),
        ("application/json;q=0.5, text/plain;q=0.4", True),
        ("text/plain, application/json", False),
        ("application/json;q=0.3, text/plain", False),
        ("application/json;q=0", False),
        ("application/json;q=x", False),
        ("*/*", False),
        ("application/*", False),
        ("", False),
        (",;,", False),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", False),
        (
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            False,
        ),
        ("application/jsonp", False),
    ],
)
def test_who_gets_json(accept: str, wanted: bool) -> None:  # noqa: FBT001 -- a table's column
    """Only those who name it and like nothing better."""
    assert wants_json(accept) is wanted


PARAMETERS = st.builds(
    ";{}={}".format,
    st.sampled_from(["version", "escaping", "q", " version"]),
    st.sampled_from(["", "1.0.0", "0.0.4", "2", "x", "1.x", "-1", "1..2", "nan", "9" * 5000, "allow-utf-8"]),
)
KINDS = st.sampled_from(["application/openmetrics-text", "text/plain", "application/json", "*/*"])
ACCEPTS = st.lists(st.builds("{}{}".format, KINDS, st.lists(PARAMETERS, max_size=3).map("".join)), max_size=3)


@given(st.text(max_size=200) | ACCEPTS.map(",".join))
@example("text/plain;version=x;escaping=")
def test_any_accept_header_gets_a_page(accept: str) -> None:
    """Nothing in it can break the page."""
    content_type, body = PrometheusObserver(PrometheusConfig()).render(accept)
    assert content_type
    assert isinstance(body, bytes)


@pytest.mark.parametrize(
    ("bounds", "share", "expected"),
    [
        ([], 0.5, None),
        ([(1.0, 0), (INFINITE, 0)], 0.5, None),
        ([(1.0, 10), (INFINITE, 10)], 0.5, 0.5),
        ([(1.0, 10), (2.0, 20), (INFINITE, 20)], 0.5, 1.0),
        ([(1.0, 10), (2.0, 20), (INFINITE, 20)], 0.75, 1.5),
        ([(1.0, 0), (2.0, 4), (INFINITE, 4)], 0.25, 1.25),
        ([(1.0, 1), (2.0, 1), (4.0, 2), (INFINITE, 2)], 0.99, 3.96),
        ([(1.0, 1), (2.0, 1), (INFINITE, 2)], 0.99, 2.0),
        ([(INFINITE, 2)], 0.5, 0.0),
    ],
)
def test_percentile(bounds: list[tuple[float, float]], share: float, expected: float | None) -> None:
    """As ``histogram_quantile`` has it."""
    found = percentile(bounds, share)
    assert found == (None if expected is None else pytest.approx(expected))


@given(st.lists(st.integers(0, 50), min_size=2, max_size=8), st.floats(0, 1))
def test_percentile_is_within_the_buckets(counts: list[int], share: float) -> None:
    """And rises with the share."""
    total, bounds = 0, []
    for index, count in enumerate(counts):
        total += count
        bounds.append((float(index + 1) if index + 1 < len(counts) else INFINITE, float(total)))
    found = percentile(bounds, share)
    assert (found is None) == (total == 0)
    if found is not None:
        assert 0 <= found <= len(counts) - 1
        assert found <= (percentile(bounds, 1.0) or 0.0)


def observed() -> PrometheusObserver:
    """An observer that has seen two requests and a worker."""
    observer = PrometheusObserver(PrometheusConfig())
    for seconds in (0.02, 0.2):
        observer.observe(
            RequestEnded(
                route="/v1/x",
                model="demo",
                status=200,
                code="stop",
                duration_s=seconds,
                ttft_s=seconds,
                gaps_s=(0.003, 0.02),
                prompt_tokens=7,
            )
        )
    observer.observe(WorkerChanged(model="demo", state="ready", restarts=1))
    return observer


def decoded(observer: PrometheusObserver) -> dict[str, Any]:
    """The page."""
    content_type, body = observer.render("application/json")
    assert content_type == "application/json"
    found: dict[str, Any] = json.loads(body)
    return found


def test_same_figures_as_the_text() -> None:
    """Every sample of the text page is in the JSON page, with its name, labels and value, and nothing else."""
    observer = observed()
    text = observer.render("text/plain")[1].decode()
    expected = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }
    found = {}
    for name, family in decoded(observer).items():
        for sample in family["samples"]:
            labels = frozenset(sample["labels"].items())
            if family["type"] != "histogram":
                found[name, labels] = sample["value"]
                continue
            found[f"{name}_count", labels] = sample["count"]
            found[f"{name}_sum", labels] = sample["sum"]
            for bound, count in sample["buckets"].items():
                found[f"{name}_bucket", labels | {("le", bound)}] = count
    assert found == expected


def test_percentiles() -> None:
    """Of each histogram, by model."""
    family = decoded(observed())["jackfield_time_to_first_token_seconds"]
    assert (family["type"], family["help"]) == ("histogram", "From a request's first byte to its first text.")
    [sample] = family["samples"]
    assert sample["labels"] == {"model": "demo"}
    assert list(sample["percentiles"]) == ["p50", "p90", "p95", "p99"]
    assert sample["percentiles"]["p50"] == pytest.approx(0.025)
    assert 0.1 < sample["percentiles"]["p99"] <= 0.25
