"""Prompts, percentiles, tables and pictures of a measurement."""

from __future__ import annotations

import statistics
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.bench.driver import Level, Outcome
from jackfield.bench.plot import draw
from jackfield.bench.summary import spread, summarise
from jackfield.bench.table import errors_list, latency_table, throughput_table
from jackfield.bench.workload import LoadKind, Workload

GOOD = Outcome(0.0, 1.0, 0.2, (0.1, 0.3), 10, 5, None)
BAD = Outcome(0.5, 0.1, None, (), 0, 0, "queue_full")


@pytest.mark.parametrize("kind", ["random", "shared-prefix", "mixed"])
def test_a_seed_gives_the_same_prompts(kind: LoadKind) -> None:
    """And another one gives others."""

    def prompts(seed: int) -> list[str]:
        workload = Workload(kind, input_tokens=40, output_tokens=8, seed=seed)
        return [workload.next().prompt for _ in range(5)]

    assert prompts(1) == prompts(1)
    assert prompts(1) != prompts(2)
    assert len(set(prompts(1))) == 5


def test_shared_prefixes_are_shared() -> None:
    """Three quarters of the words, and no more."""
    workload = Workload("shared-prefix", input_tokens=40, output_tokens=8)
    first, second = (workload.next().prompt.split() for _ in range(2))
    assert first[:30] == second[:30]
    assert first[30:] != second[30:]
    assert len(first) == 40


def test_mixed_lengths_are_mixed() -> None:
    """From a quarter to four times the wished input, from half to twice the output."""
    workload = Workload("mixed", input_tokens=40, output_tokens=8)
    shots = [workload.next() for _ in range(100)]
    assert {len(shot.prompt.split()) for shot in shots} == {10, 20, 40, 80, 160}
    assert {shot.output_tokens for shot in shots} == {4, 8, 16}


def test_words_follow_the_tokenizer() -> None:
    """Half as many words where each takes two tokens."""
    shot = Workload("random", input_tokens=40, output_tokens=8, words_per_token=0.5).next()
    assert len(shot.prompt.split()) == 20


@given(st.lists(st.floats(0, 1000), min_size=2, max_size=200))
def test_percentiles_are_those_of_the_standard_library(seconds: list[float]) -> None:
    """The inclusive method interpolates as numpy's default does."""
    figures = spread(seconds)
    assert figures is not None
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    wanted = [cuts[49], cuts[89], cuts[94], cuts[98]]
    got = [figures.p50, figures.p90, figures.p95, figures.p99]
    assert got == pytest.approx([cut * 1000 for cut in wanted])
    assert figures.max == max(seconds) * 1000


def test_summary_counts_what_succeeded() -> None:
    """Failures are counted by kind and are no part of any latency."""
    summary = summarise(Level(concurrency=2), [GOOD, GOOD, BAD], 2.0)
    assert (summary.requests, summary.failed, summary.errors) == (3, 1, {"queue_full": 1})
    assert (summary.requests_per_s, summary.output_tokens_per_s, summary.input_tokens_per_s) == (1.0, 5.0, 10.0)
    assert summary.ttft_ms is not None
    assert summary.ttft_ms.p99 == pytest.approx(200)
    assert summary.itl_ms is not None
    assert summary.itl_ms.p50 == pytest.approx(200)
    assert summary.tpot_ms is not None
    assert summary.tpot_ms.mean == pytest.approx(200)


def test_nothing_succeeded() -> None:
    """Tables and pictures can be made of it all the same."""
    summary = summarise(Level(rate=0.5), [BAD], 1.0)
    assert summary.ttft_ms is None
    assert "-" in latency_table([summary])
    assert "0.5/s" in throughput_table([summary])
    assert errors_list([summary]) == "0.5/s: 1 x queue_full"
    ET.fromstring(draw([summary], [[BAD]]))  # noqa: S314 - our own


def test_the_picture_has_a_line_for_each_level() -> None:
    """Two distributions a level, and one line of throughput."""
    levels = [Level(concurrency=1), Level(concurrency=4)]
    summaries = [summarise(level, [GOOD, GOOD], 1.0) for level in levels]
    picture = ET.fromstring(draw(summaries, [[GOOD, GOOD]] * 2))  # noqa: S314 - our own
    assert len(picture.findall(".//{http://www.w3.org/2000/svg}polyline")) == 5
