"""Answers, whole and line by line."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from jackfield.ports.backend import MemoryEstimate, ModelInfo
from jackfield.ports.frontend import ModelCard
from jackfield.types import (
    Finished,
    ReasoningDelta,
    TextDelta,
    Timings,
    TokenLogprob,
    ToolCallDelta,
    TopLogprob,
    Usage,
)
from jackfield_ollama.answers import Answer, ChatAnswer, GenerateAnswer, nanoseconds, timestamp
from jackfield_ollama.models import listed, running, shown_model
from jackfield_ollama.shapes import ChatReply, GenerateReply, Listed, Running, Shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.frontends.outputs import Output
    from jackfield.types import FinishReason

CALLS: list[Output] = [
    ToolCallDelta(0, "", "call_1", "weather"),
    ToolCallDelta(0, '{"city": '),
    ToolCallDelta(0, '"Paris"}'),
    ToolCallDelta(1, "", "call_2", "clock"),
]
WANTED = [
    {"id": "call_1", "function": {"index": 0, "name": "weather", "arguments": {"city": "Paris"}}},
    {"id": "call_2", "function": {"index": 1, "name": "clock", "arguments": {}}},
]


def end(reason: FinishReason = "stop") -> Finished:
    """Of an answer of 5 tokens to a prompt of 7."""
    return Finished(reason, Usage(7, 5, 3), Timings(0, 0.25, 0.5))


def chat(*, scored: bool = False) -> ChatAnswer:
    """An answer to a chat."""
    return ChatAnswer("demo", time.monotonic(), scored=scored)


def lines(outputs: Sequence[Output], answer: Answer | None = None) -> list[dict[str, Any]]:
    """The lines, each of the described shape."""
    made = answer or chat()
    data = b"".join(map(made.line, outputs))
    kind = ChatReply if isinstance(made, ChatAnswer) else GenerateReply
    for line in data.splitlines():
        msgspec.json.decode(line, type=kind)
    return [msgspec.json.decode(line, type=dict[str, Any]) for line in data.splitlines()]


def test_the_lines_of_a_chat() -> None:
    """Thoughts, text, calls that are whole, the figures."""
    seen = lines([ReasoningDelta("Hm.", 1), TextDelta("Yes", 1), *CALLS, end("tool_calls")])
    messages = [line["message"] for line in seen]
    assert [message.get("thinking") for message in messages] == ["Hm.", None, None, None, None]
    assert [message["content"] for message in messages] == ["", "Yes", "", "", ""]
    assert [call for message in messages for call in message.get("tool_calls", ())] == WANTED
    assert [line["done"] for line in seen] == [False, False, False, False, True]
    last = seen[-1]
    assert (last["done_reason"], last["prompt_eval_count"], last["eval_count"]) == ("stop", 7, 5)
    assert (last["prompt_eval_duration"], last["eval_duration"]) == (250_000_000, 500_000_000)


def test_the_whole_chat_is_the_same() -> None:
    """In one object."""
    answer = msgspec.json.decode(chat().whole([ReasoningDelta("Hm.", 1), TextDelta("Yes", 1), *CALLS], end()))
    message = {"role": "assistant", "content": "Yes", "thinking": "Hm.", "tool_calls": WANTED}
    assert answer["message"] == message
    assert (answer["done"], answer["done_reason"]) == (True, "stop")


def test_text_after_a_call_comes_after_it() -> None:
    """The call goes out before."""
    seen = lines([*CALLS[:3], TextDelta("Done.", 1), end()])
    assert [("tool_calls" in line["message"], line["message"]["content"]) for line in seen] == [
        (True, ""),
        (False, "Done."),
        (False, ""),
    ]


def test_a_call_that_was_cut_off_is_left_out() -> None:
    """Its arguments are no object."""
    assert "tool_calls" not in msgspec.json.decode(chat().whole(CALLS[:2], end("length")))["message"]
    assert [line["done_reason"] for line in lines([*CALLS[:2], end("length")])] == ["length"]


@pytest.mark.parametrize("reason", ["stop", "length", "malformed_tool_call", "content_filter"])
def test_why_it_ended(reason: FinishReason) -> None:
    """A malformed call is told."""
    assert lines([TextDelta("x", 1), end(reason)])[-1]["done_reason"] == reason


def test_a_completion_has_its_text_at_the_top() -> None:
    """And its thoughts."""
    seen = lines([ReasoningDelta("Hm.", 1), TextDelta("Yes", 1), end()], GenerateAnswer("demo", time.monotonic()))
    assert [(line["response"], line.get("thinking")) for line in seen] == [("", "Hm."), ("Yes", None), ("", None)]


def test_log_probabilities() -> None:
    """With bytes, as a token may be part of a character."""
    token = TokenLogprob(3, b"\xe2", -0.5, (TopLogprob(3, b"\xe2", -0.5), TopLogprob(4, b"a", float("-inf"))))
    [line, _] = lines([TextDelta("x", 1, 0, (token,)), end()], chat(scored=True))
    [entry] = line["logprobs"]
    assert (entry["token"], entry["bytes"], entry["logprob"]) == ("\ufffd", [226], -0.5)
    assert [other["logprob"] for other in entry["top_logprobs"]] == [-0.5, -9999.0]


def test_models() -> None:
    """Before a worker has loaded one, and after."""
    info = ModelInfo(
        architecture="qwen2",
        title="t",
        description="d",
        parameters=1_500_000_000,
        size_bytes=1000,
        context_train=4096,
        vocabulary=100,
        tasks=("generate", "embed"),
        quantisation="Q4_K",
        memory=MemoryEstimate(weights=1, kv=2, compute=4),
    )
    bare = ModelCard(name="m", aliases=(), created=0, ready=False)
    for card in (bare, ModelCard(name="m", aliases=(), created=0, ready=True, context=512, info=info)):
        msgspec.convert(listed(card), Listed)
        msgspec.convert(running(card), Running)
        msgspec.convert(shown_model(card), Shown)
    shown = shown_model(card)
    assert shown["capabilities"] == ["completion", "embedding"]
    assert str(shown["parameters"]).split() == ["num_ctx", "512"]
    assert shown_model(bare)["parameters"] == ""
    assert listed(card)["details"] == {
        "parent_model": "",
        "format": "gguf",
        "family": "qwen2",
        "families": ["qwen2"],
        "parameter_size": "1.5B",
        "quantization_level": "Q4_K",
    }
    assert (running(card)["size"], running(card)["context_length"]) == (7, 512)


def test_times() -> None:
    """Of a day in UTC, to the microsecond; a clock that was turned back has no negative durations."""
    assert timestamp(1_700_000_000.0625) == "2023-11-14T22:13:20.062500Z"
    assert (nanoseconds(0.25), nanoseconds(-1.0)) == (250_000_000, 0)
