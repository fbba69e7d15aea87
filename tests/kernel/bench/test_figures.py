"""Prompts, percentiles, tables and pictures of a measurement."""

from __future__ import annotations

import statistics
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.bench.driver import Level, Outcome
from jackfield.bench.plot import _scale, draw
from jackfield.bench.summary import spread, summarise
from jackfield.bench.table import errors_list, latency_table, throughput_table
from jackfield.bench.workload import LoadKind, Workload

GOOD = Outcome(0.0, 1.0, 0.2, (0.1, 0.3), 10, 5, None, 4)
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
    assert (summary.mean_input_tokens, summary.mean_cached_tokens) == (10.0, 4.0)
    assert throughput_table([summary]).splitlines()[1].split()[-3:] == ["40", "%", "5.0"]
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


@pytest.mark.parametrize(
    ("most", "end", "step"),
    [(53.9, 60, 20), (1338.3, 1500, 500), (1.0, 1.0, 0.2), (100, 100, 20), (0.0007, 0.0008, 0.0002), (0, 1, 0.2)],
)
def test_axes_have_round_steps(most: float, end: float, step: float) -> None:
    """A few of them, and the largest value is within."""
    scale = _scale([0.0, most])
    assert scale.end == pytest.approx(end)
    assert scale.step == pytest.approx(step)


@given(st.floats(1e-6, 1e9))
def test_axes_fit_any_value(most: float) -> None:
    """Between two and five steps, not more than needed."""
    scale = _scale([most])
    assert 2 <= scale.steps <= 5
    assert scale.end - scale.step < most <= scale.end * (1 + 1e-6)


def test_one_that_stands_out_does_not_hide_the_others() -> None:
    """The axis of a distribution ends where 99 % of it have been seen."""
    many = [GOOD._replace(ttft_s=0.01)] * 199 + [GOOD._replace(ttft_s=100.0)]
    picture = draw([summarise(Level(concurrency=1), many, 1.0)], [many])
    assert "100000" not in picture
    assert ">10</text>" in picture, "milliseconds"


def test_many_levels_are_told_apart() -> None:
    """By colour and dashes, in a legend within the picture."""
    levels = [Level(concurrency=number + 1) for number in range(16)]
    picture = ET.fromstring(draw([summarise(each, [GOOD], 1.0) for each in levels], [[GOOD]] * 16))  # noqa: S314
    strokes = {
        (line.get("stroke"), line.get("stroke-dasharray"))
        for line in picture.findall("{http://www.w3.org/2000/svg}path")
    }
    assert len(strokes) == 16
    texts = picture.findall("{http://www.w3.org/2000/svg}text")
    assert max(int(text.get("x", "0")) for text in texts) < int(picture.get("width", "0")) - 40
    assert max(int(text.get("y", "0")) for text in texts) < int(picture.get("height", "0"))
