"""Answers, whole and as events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.chat import ChatPrompt, Message
from jackfield.sse import SseEvent, SseParser
from jackfield.types import (
    Finished,
    GenerateRequest,
    ReasoningDelta,
    Started,
    TextDelta,
    Timings,
    ToolCallDelta,
    Usage,
)
from jackfield_anthropic.answers import Answer
from jackfield_anthropic.bodies import Call
from jackfield_anthropic.shapes import Event, MessageAnswer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.frontends.outputs import Delta
    from jackfield.types import FinishReason

CALL = [
    ToolCallDelta(0, "", "call_1", "weather"),
    ToolCallDelta(0, '{"city": '),
    ToolCallDelta(0, '"Paris"}'),
    ToolCallDelta(1, "", "call_2", "clock"),
]


def answer(*, shows_thoughts: bool = True, limit: int = 64) -> Answer:
    """The answer to some request."""
    request = GenerateRequest(model="demo", prompt=ChatPrompt((Message("user", "hi"),)), max_tokens=64)
    call = Call(request=request, max_tokens=64, stream=True, shows_thoughts=shows_thoughts)
    return Answer(call, "demo", Started(7, limit))


def end(reason: FinishReason = "stop", stopped_by: int | str | None = None) -> Finished:
    """Of an answer of 5 tokens to a prompt of 7, of which 3 were cached."""
    return Finished(reason, Usage(7, 5, 3), Timings(0, 0, 0), stopped_by=stopped_by)


def whole(deltas: Sequence[Delta], finished: Finished | None = None, **more: Any) -> dict[str, Any]:
    """The answer as one object, which has the described shape."""
    body = answer(**more).whole(deltas, finished or end())
    msgspec.json.decode(body, type=MessageAnswer)
    return msgspec.json.decode(body, type=dict[str, Any])


def events(deltas: Sequence[Delta], finished: Finished | None = None, **more: Any) -> list[dict[str, Any]]:
    """The answer as events, each of which has the described shape and its own name."""
    made = answer(**more)
    data = made.opening() + b"".join(map(made.delta, deltas)) + made.closing(finished or end())
    parser = SseParser()
    seen = [item for item in parser.feed(data) if isinstance(item, SseEvent)]
    parser.close()
    for each in seen:
        msgspec.json.decode(each.data, type=Event)
    return [msgspec.json.decode(each.data, type=dict[str, Any]) for each in seen]


def put_together(seen: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The blocks that a client makes of events; their order is checked on the way."""
    blocks: list[dict[str, Any]] = []
    inputs: dict[int, str] = {}
    opened: int | None = None
    for event in seen:
        if event["type"] == "content_block_start":
            assert opened is None
            assert event["index"] == len(blocks)
            opened = len(blocks)
            blocks.append(event["content_block"])
        elif event["type"] == "content_block_delta":
            assert event["index"] == opened
            assert opened is not None
            delta = event["delta"]
            if delta["type"] == "input_json_delta":
                inputs[opened] = inputs.get(opened, "") + delta["partial_json"]
            else:
                name = delta["type"].removesuffix("_delta")
                blocks[opened][name] += delta[name]
        elif event["type"] == "content_block_stop":
            assert event["index"] == opened
            opened = None
    assert opened is None
    for index, text in inputs.items():
        blocks[index]["input"] = msgspec.json.decode(text)
    return blocks


def test_the_order_of_events() -> None:
    """Thoughts, text, calls; each in a block; a signature before the thoughts' end."""
    seen = events([ReasoningDelta("Hm.", 1), TextDelta("Yes", 1), TextDelta(".", 1), *CALL], end("tool_calls"))
    assert [event["type"] for event in seen] == [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert seen[4]["delta"] == {"type": "signature_delta", "signature": ""}
    assert seen[0]["message"]["usage"]["input_tokens"] == 7
    assert seen[-2]["delta"]["stop_reason"] == "tool_use"


def test_usage_tells_cached_tokens_apart() -> None:
    """Together they are the prompt."""
    usage = whole([TextDelta("Yes", 1)])["usage"]
    assert (usage["input_tokens"], usage["cache_read_input_tokens"], usage["output_tokens"]) == (4, 3, 5)
    assert usage["cache_creation_input_tokens"] == 0


@pytest.mark.parametrize(
    ("finished", "limit", "reason", "sequence"),
    [
        (end(), 64, "end_turn", None),
        (end(stopped_by=3), 64, "end_turn", None),
        (end(stopped_by="END"), 64, "stop_sequence", "END"),
        (end("length"), 64, "max_tokens", None),
        (end("length"), 10, "model_context_window_exceeded", None),
        (end("tool_calls"), 64, "tool_use", None),
        (end("malformed_tool_call"), 64, "end_turn", None),
        (end("content_filter"), 64, "refusal", None),
    ],
)
def test_why_it_ended(finished: Finished, limit: int, reason: str, sequence: str | None) -> None:
    """The same of both kinds of answers; a malformed call is told too."""
    said = whole([TextDelta("x", 1)], finished, limit=limit)
    delta = events([TextDelta("x", 1)], finished, limit=limit)[-2]["delta"]
    assert (said["stop_reason"], said["stop_sequence"]) == (reason, sequence)
    assert (delta["stop_reason"], delta["stop_sequence"]) == (reason, sequence)
    malformed = finished.reason == "malformed_tool_call"
    assert (said.get("stop_details") == {"type": "malformed_tool_call"}) == malformed
    assert ("stop_details" in delta) == malformed


def test_thoughts_can_be_kept_out_of_sight() -> None:
    """Their block stays."""
    thoughts: list[Delta] = [ReasoningDelta("secret", 1), TextDelta("Yes", 1)]
    assert whole(thoughts, shows_thoughts=False)["content"][0] == {"type": "thinking", "thinking": "", "signature": ""}
    assert put_together(events(thoughts, shows_thoughts=False))[0]["thinking"] == ""


def test_an_empty_answer_has_a_block() -> None:
    """So that ``content[0]`` is there."""
    assert whole([])["content"] == [{"type": "text", "text": ""}]
    assert put_together(events([])) == [{"type": "text", "text": ""}]


def test_a_call_that_was_cut_off_is_left_out() -> None:
    """Its arguments are no object."""
    assert whole(CALL[:2], end("length"))["content"] == [{"type": "text", "text": ""}]


DELTAS = st.lists(
    st.one_of(
        st.builds(TextDelta, st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.just(1)),
        st.builds(ReasoningDelta, st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.just(1)),
        st.just("call"),
    ),
    max_size=8,
)


@given(made=DELTAS)
def test_a_stream_is_the_whole_answer(made: list[Delta | str]) -> None:
    """Block for block, whatever comes in whatever order."""
    deltas: list[Delta] = []
    for number, each in enumerate(made):
        if isinstance(each, str):
            deltas += [ToolCallDelta(number, "", f"call_{number}", "f"), ToolCallDelta(number, '{"a": 1}')]
        else:
            deltas.append(each)
    assert put_together(events(deltas)) == whole(deltas)["content"]
