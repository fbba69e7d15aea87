"""The event-stream parser: what is well-formed, what is refused, and that chunking never matters."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.sse import EVENT_MAX, SseComment, SseError, SseEvent, SseParser

if TYPE_CHECKING:
    from jackfield.sse import SseItem


def parse(*chunks: bytes) -> list[SseItem]:
    parser = SseParser()
    items = [item for chunk in chunks for item in parser.feed(chunk)]
    parser.close()
    return items


@pytest.mark.parametrize(
    ("stream", "items"),
    [
        pytest.param(b"", [], id="nothing"),
        pytest.param(b"\n\n\r\n", [], id="blank lines"),
        pytest.param(b"data: x\n\n", [SseEvent("x")], id="LF"),
        pytest.param(b"data: x\r\n\r\n", [SseEvent("x")], id="CRLF"),
        pytest.param(b"data: x\r\r", [SseEvent("x")], id="CR"),
        pytest.param(b"data:x\n\n", [SseEvent("x")], id="no space"),
        pytest.param(b"data:  x\n\n", [SseEvent(" x")], id="only one space belongs to the syntax"),
        pytest.param(b"data\n\n", [SseEvent("")], id="field without a colon"),
        pytest.param(b"data: a\ndata: b\n\n", [SseEvent("a\nb")], id="two data lines"),
        pytest.param(b"event: error\ndata: x\n\n", [SseEvent("x", "error")], id="named"),
        pytest.param(b"event: a\ndata: x\n\ndata: y\n\n", [SseEvent("x", "a"), SseEvent("y")], id="no name left"),
        pytest.param(b": ping\n\n", [SseComment("ping")], id="comment"),
        pytest.param(b":\n\ndata: x\n\n", [SseComment(""), SseEvent("x")], id="empty comment"),
        pytest.param(b"id: 1\nretry: 5\ndata: x\n\n", [SseEvent("x")], id="id and retry"),
        pytest.param("data: \u00e4\u20ac\U0001f600\n\n".encode(), [SseEvent("\u00e4\u20ac\U0001f600")], id="UTF-8"),
    ],
)
def test_well_formed_streams(stream: bytes, items: list[SseItem]) -> None:
    """Every form that the standard allows gives the items it means."""
    assert parse(stream) == items


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        pytest.param(b"dat: x\n\n", "unknown field 'dat'", id="unknown field"),
        pytest.param(b"{}\n\n", "unknown field", id="JSON instead of an event"),
        pytest.param(b"data: \xff\n\n", "not UTF-8", id="not UTF-8"),
        pytest.param(b"event: x\n\n", "without data", id="no data"),
        pytest.param(b"data: x", "ended inside", id="cut off in a line"),
        pytest.param(b"data: x\n", "ended inside", id="cut off before the blank line"),
        pytest.param(b"event: x\n", "ended inside", id="cut off after the name"),
        pytest.param(b"data: " + b"x" * EVENT_MAX, "more than", id="endless event"),
    ],
)
def test_damaged_streams_are_refused(stream: bytes, message: str) -> None:
    """Whatever a correct server never sends is an error that says what was found."""
    with pytest.raises(SseError, match=message):
        parse(stream)


_lines = st.sampled_from(["data: x", "data: \u20ac", "data:", ": ping", "event: e", "id: 1", "", "", "wrong: x"])
_ends = st.sampled_from(["\n", "\r\n", "\r"])


@given(
    stream=st.lists(st.tuples(_lines, _ends).map("".join), max_size=12).map(lambda lines: "".join(lines).encode()),
    cuts=st.lists(st.integers(0, 100), max_size=8),
)
def test_chunking_never_matters(stream: bytes, cuts: list[int]) -> None:
    """However the network cuts a stream, it gives the same items, or the same error."""
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    chunks = [stream[start:stop] for start, stop in itertools.pairwise(edges)]
    assert outcome(*chunks) == outcome(stream)


def outcome(*chunks: bytes) -> tuple[list[SseItem], str]:
    parser = SseParser()
    items: list[SseItem] = []
    try:
        for chunk in chunks:
            items.extend(parser.feed(chunk))
        parser.close()
    except SseError as error:
        return items, str(error)
    return items, ""


def test_lenient_parser_leaves_unknown_fields_out() -> None:
    """As the standard wants: other servers' streams can be read, and what is really broken is still an error."""
    parser = SseParser(strict=False)
    assert list(parser.feed(b"error: no\ntime: 5\ndata: x\n\n")) == [SseEvent("x")]
    with pytest.raises(SseError):
        list(parser.feed(b"data: \xff\n\n"))
