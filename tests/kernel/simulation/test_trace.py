"""Traces: what is read, written, made, and refused by line or word."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.simulation.synthetic import parse_classes, synthesise
from jackfield.simulation.trace import LINE_MAX, TracedRequest, TraceError, read_trace, write_trace

if TYPE_CHECKING:
    from pathlib import Path

REQUEST = TracedRequest(
    arrival_s=1.5, prompt_tokens=30, output_tokens=5, tenant="a", priority=-3, prefix="system", prefix_tokens=20
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Oldest first, whatever the order was."""
    file = tmp_path / "trace.jsonl"
    early = TracedRequest(arrival_s=0.5, prompt_tokens=1, output_tokens=1)
    write_trace([REQUEST, early], file)
    assert read_trace(file) == [early, REQUEST]
    assert msgspec.json.decode(file.read_bytes().splitlines()[1]) == {
        "arrival_s": 0.5,
        "prompt_tokens": 1,
        "output_tokens": 1,
    }


def test_empty_lines_mean_nothing(tmp_path: Path) -> None:
    """Files that people edit end with some."""
    file = tmp_path / "trace.jsonl"
    write_trace([REQUEST, REQUEST], file)
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n\n"))
    assert read_trace(file) == [REQUEST, REQUEST]


GOOD = '{"arrival_s": 0, "prompt_tokens": 5, "output_tokens": 5}'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there is no request"),
        (f"{GOOD}\nhello\n", ":2: "),
        (f"{GOOD}\n{{}}\n", ":2: .*arrival_s"),
        (GOOD.replace("5,", "0,"), "prompt_tokens must be 1 to"),
        (GOOD.replace("5}", "0}"), "output_tokens must be 1 to"),
        (GOOD.replace("0,", "-1,", 1), "arrival_s must be 0 to"),
        (GOOD.replace("}", ', "priority": 101}'), "priority must be -100 to 100"),
        (GOOD.replace("}", ', "prefix": "a"}'), "belong together"),
        (GOOD.replace("}", ', "prefix": "a", "prefix_tokens": 6}'), "prefix_tokens must be 0 to 5"),
        (GOOD.replace("}", ', "prompt": "secret"}'), "prompt"),
        (GOOD + " " * LINE_MAX, ":1: more than"),
        (f"{GOOD}\n\n{{}}\n", ":3: .*arrival_s"),
        ("\n \n", "there is no request"),
        (GOOD.replace("}", ', "tenant": "\\u001b[31m"}'), "tenant and prefix have .* printable"),
        (
            GOOD.replace("}", ', "prefix": "a", "prefix_tokens": 1}\n')
            + GOOD.replace("}", ', "prefix": "a", "prefix_tokens": 2}\n'),
            ":2: the prefix 'a'",
        ),
    ],
)
def test_what_is_no_trace_is_refused_by_line(tmp_path: Path, text: str, message: str) -> None:
    """A reader can go there."""
    file = tmp_path / "trace.jsonl"
    file.write_text(text)
    with pytest.raises(TraceError, match=message):
        read_trace(file)


def test_classes_of_requests() -> None:
    """A few words; what is not said has a default."""
    first, second = parse_classes("tenant=a rate=2 prompt=10-30 answer=5 priority=-3 prefix=100; rate=0.5;")
    assert (first.tenant, first.rate, first.prompt, first.answer, first.priority, first.prefix) == (
        "a",
        2,
        (10, 30),
        (5, 5),
        -3,
        100,
    )
    assert (second.tenant, second.prompt, second.answer) == ("", (200, 200), (50, 50))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1 to 64 classes"),
        ("tenant=a", "says no rate"),
        ("rate=0", "'rate=0'"),
        ("rate=nan", "'rate=nan'"),
        ("rate=1 rate=2", "each once"),
        ("rate=1 speed=2", "speed=2"),
        ("rate=1 prompt=0", "prompt=0"),
        ("rate=1 prompt=9-3", "prompt=9-3"),
        ("rate=1 priority=-101", "priority=-101"),
        ("rate=1 prefix=-1", "prefix=-1"),
    ],
)
def test_a_bad_class_is_refused_by_word(text: str, message: str) -> None:
    """And says what the word may be."""
    with pytest.raises(TraceError, match=message):
        parse_classes(text)


def test_a_made_trace_is_what_was_asked_for() -> None:
    """About so many arrivals, lengths within their bounds, one prefix a class; the same again for the same seed."""
    classes = parse_classes("tenant=a rate=3 prompt=10-30 prefix=100; tenant=b rate=1 answer=7 priority=9")
    requests = synthesise(classes, 500, seed=4)
    assert requests == synthesise(classes, 500, seed=4)
    assert requests != synthesise(classes, 500, seed=5)
    assert [request.arrival_s for request in requests] == sorted(request.arrival_s for request in requests)
    first = [request for request in requests if request.tenant == "a"]
    second = [request for request in requests if request.tenant == "b"]
    assert 1300 < len(first) < 1700
    assert 400 < len(second) < 600
    assert {request.prompt_tokens for request in first} == set(range(110, 131))
    assert {(request.prefix_tokens, request.prefix) for request in first} == {(100, "class 0")}
    assert {(request.output_tokens, request.priority, request.prefix) for request in second} == {(7, 9, "")}


def test_a_trace_that_would_fill_the_memory_is_refused() -> None:
    """Before anything is made."""
    with pytest.raises(TraceError, match="more than"):
        synthesise(parse_classes("rate=9999"), 1e6, seed=0)


@given(st.text(max_size=60))
def test_no_text_breaks_the_parser(text: str) -> None:
    """Whatever is typed gives classes or one kind of error."""
    with contextlib.suppress(TraceError):
        assert parse_classes(text)
