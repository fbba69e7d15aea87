"""The exact shape of answers and of streams."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from jackfield.sse import SseEvent, SseParser
from jackfield.testing.kits.scripted_gateway import finished
from jackfield.types import GenerateRequest, TextDelta, TextPrompt
from jackfield_openai.answers import Answer, ChatAnswer, CompletionAnswer
from jackfield_openai.bodies import Call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.types import FinishReason

texts = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), max_size=20)


def call(*, include_usage: bool = False, tier: str | None = None) -> Call:
    """A call that asks for a stream."""
    request = GenerateRequest(model="alias", prompt=TextPrompt("x"))
    return Call(requests=(request,), stream=True, include_usage=include_usage, tier=tier)


def stream(answer: Answer, deltas: Sequence[str], reason: FinishReason = "stop") -> list[str]:
    """The data of all events of an answer in these pieces."""
    body = (
        answer.opening()
        + b"".join(answer.text(TextDelta(delta, 1)) for delta in deltas)
        + answer.last(finished(len(deltas), reason=reason, cached=3))
        + answer.closing()
    )
    parser = SseParser()
    events = parser.feed(body)
    parser.close()
    return [event.data for event in events if isinstance(event, SseEvent)]


@given(deltas=texts, include_usage=st.booleans(), reason=st.sampled_from(["stop", "length"]))
def test_chat_streams_keep_their_promises(deltas: list[str], include_usage: bool, reason: FinishReason) -> None:  # noqa: FBT001 -- pytest passes by name
    """One role, first; no empty delta; one finish reason, last; one id; usage where asked for; then the end mark."""
    *data, end = stream(ChatAnswer(call(include_usage=include_usage), "demo"), deltas, reason)
    assert end == "[DONE]"
    raw = [msgspec.json.decode(item) for item in data]
    chunks = [ChatCompletionChunk.model_validate(item, strict=True) for item in raw]
    assert len({(chunk.id, chunk.created, chunk.model, chunk.object) for chunk in chunks}) == 1
    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    assert raw[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert [choice.delta.role for choice in choices[1:]] == [None] * (len(choices) - 1)
    assert [choice.delta.content for choice in choices[1:-1]] == deltas
    assert raw[len(choices) - 1]["choices"][0]["delta"] == {}
    assert [choice.finish_reason for choice in choices] == [*[None] * (len(choices) - 1), reason]
    assert [len(chunk.choices) for chunk in chunks] == [1] * len(choices) + [0] * include_usage
    if include_usage:
        assert [item["usage"] for item in raw[:-1]] == [None] * len(choices)
        assert raw[-1]["usage"]["prompt_tokens_details"]["cached_tokens"] == 3
    else:
        assert not any("usage" in item for item in raw)


@given(deltas=texts, include_usage=st.booleans())
def test_completion_streams_keep_their_promises(deltas: list[str], include_usage: bool) -> None:  # noqa: FBT001 -- pytest passes by name
    """As for chats, in the one shape that completions have."""
    *data, end = stream(CompletionAnswer(call(include_usage=include_usage), "demo"), deltas)
    assert end == "[DONE]"
    raw = [msgspec.json.decode(item) for item in data]
    assert len({(item["id"], item["created"], item["model"], item["object"]) for item in raw}) == 1
    choices = [item["choices"][0] for item in raw if item["choices"]]
    assert [choice["text"] for choice in choices] == [*deltas, ""]
    assert [choice["finish_reason"] for choice in choices] == [*[None] * len(deltas), "stop"]
    assert [item.get("usage", "absent") for item in raw[: len(choices)]] == [None if include_usage else "absent"] * len(
        choices
    )
    assert len(raw) == len(choices) + include_usage
    for item in raw[len(choices) :]:
        Completion.model_validate(item, strict=True)


def test_a_whole_chat() -> None:
    """All that OpenAI's object has for a text answer, and nothing it does not have."""
    whole = msgspec.json.decode(
        ChatAnswer(call(), "demo").whole([TextDelta("Hello", 2), finished(2, reason="length", cached=3)])
    )
    assert ChatCompletion.model_validate(whole, strict=True).model_extra == {}
    assert whole.pop("id").startswith("chatcmpl-")
    assert whole.pop("created") > 1_700_000_000
    assert whole == {
        "object": "chat.completion",
        "model": "demo",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello", "refusal": None, "annotations": []},
                "logprobs": None,
                "finish_reason": "length",
            }
        ],
        "usage": {
            "prompt_tokens": 7,
            "completion_tokens": 2,
            "total_tokens": 9,
            "prompt_tokens_details": {"cached_tokens": 3, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
    }


def test_a_whole_completion() -> None:
    """The same for completions."""
    whole = msgspec.json.decode(CompletionAnswer(call(), "demo").whole([TextDelta("Hello", 2), finished(2)]))
    assert Completion.model_validate(whole, strict=True).model_extra == {}
    assert whole["id"].startswith("cmpl-")
    assert whole["choices"] == [{"index": 0, "text": "Hello", "logprobs": None, "finish_reason": "stop"}]
    assert whole["usage"]["total_tokens"] == 9


@pytest.mark.parametrize("kind", [ChatAnswer, CompletionAnswer])
def test_no_two_answers_share_an_id(kind: type[Answer]) -> None:
    """Ids are stable within an answer and unique between answers."""
    ids = [msgspec.json.decode(kind(call(), "demo").whole([finished(1)]))["id"] for _ in range(50)]
    assert all(one != other for one, other in itertools.combinations(ids, 2))


def test_a_set_service_tier_is_answered() -> None:
    """OpenAI's answers say which tier served them where the request named one."""
    whole = msgspec.json.decode(ChatAnswer(call(tier="default"), "demo").whole([finished(1)]))
    assert whole["service_tier"] == "default"
    assert "service_tier" not in msgspec.json.decode(ChatAnswer(call(), "demo").whole([finished(1)]))
