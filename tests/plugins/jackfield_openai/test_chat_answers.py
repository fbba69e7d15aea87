"""Thoughts, calls, the best of several answers, timings and usage on the way, in OpenAI's shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from openai.types import Completion
from openai.types.chat import ChatCompletionChunk

from jackfield.sse import SseEvent, SseParser
from jackfield.types import (
    Finished,
    GenerateRequest,
    ReasoningDelta,
    TextDelta,
    TextPrompt,
    Timings,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)
from jackfield_openai.answers import ChatAnswer, CompletionAnswer
from jackfield_openai.bodies import Call

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.frontends.outputs import Output
    from jackfield.types import FinishReason

THOUGHTS: list[Output] = [ReasoningDelta("I ", 1), ReasoningDelta("look.", 1)]
CALLS: list[Output] = [
    ToolCallDelta(0, "", "call_1", "weather"),
    ToolCallDelta(0, '{"city":'),
    ToolCallDelta(0, '"Paris"}'),
    ToolCallDelta(1, "{}", "call_2", "time"),
]


def finished(
    reason: FinishReason = "stop", tokens: int = 9, index: int = 0, logprobs: tuple[TokenLogprob, ...] = ()
) -> Finished:
    """The end of an answer."""
    return Finished(reason, Usage(10, tokens, 4, 2), Timings(0.1, 0.5, 2.0), index, logprobs=logprobs)


def call(**fields: object) -> Call:
    """A call for one answer, unless *fields* say otherwise."""
    made = Call(requests=(GenerateRequest(model="m", prompt=TextPrompt("x")),), stream=True, include_usage=False)
    return msgspec.structs.replace(made, **fields)


def whole(events: Sequence[Output], **fields: object) -> Mapping[str, object]:
    """The answer in one object."""
    answer = msgspec.json.decode(ChatAnswer(call(**fields), "demo").whole(events), type=dict[str, object])
    assert {"id", "choices", "created", "model", "object", "usage"} <= answer.keys()
    return answer


def chunks(events: Sequence[Output], **fields: object) -> list[Mapping[str, object]]:
    """The first choice, or the whole of what has none, of every chunk but ``[DONE]``."""
    answer = ChatAnswer(call(**fields), "demo")
    body = answer.opening()
    for event in events:
        body += answer.last(event) if isinstance(event, Finished) else answer.event(event)
    parser = SseParser()
    found = [each.data for each in parser.feed(body + answer.closing()) if isinstance(each, SseEvent)]
    assert found.pop() == "[DONE]"
    return [msgspec.json.decode(data) for data in found]


def deltas(events: Sequence[Output], **fields: object) -> list[object]:
    """The deltas of a stream."""
    found = []
    for chunk in chunks(events, **fields):
        ChatCompletionChunk.model_validate(chunk)
        choices = chunk["choices"]
        assert isinstance(choices, list)
        found.append(choices[0]["delta"])
    return found


def test_thoughts_and_calls_whole() -> None:
    """Without content the content is null; each call has its id, name and arguments."""
    answer = whole([*THOUGHTS, *CALLS, finished("tool_calls")])
    [choice] = msgspec.convert(answer["choices"], list[dict[str, object]])
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "annotations": [],
        "reasoning_content": "I look.",
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Paris"}'}},
            {"id": "call_2", "type": "function", "function": {"name": "time", "arguments": "{}"}},
        ],
    }
    usage = msgspec.convert(answer["usage"], dict[str, object])
    assert msgspec.convert(usage["completion_tokens_details"], dict[str, int])["reasoning_tokens"] == 2


def test_the_order_of_chunks() -> None:
    """Role; thoughts; text; of each call first its name, then arguments; an empty delta with the finish reason."""
    events = [*THOUGHTS, TextDelta("So:", 1), *CALLS, finished("tool_calls")]
    assert deltas(events) == [
        {"role": "assistant", "content": ""},
        {"reasoning_content": "I "},
        {"reasoning_content": "look."},
        {"content": "So:"},
        {
            "tool_calls": [
                {"index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": ""}}
            ]
        },
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"city":'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '"Paris"}'}}]},
        {
            "tool_calls": [
                {"index": 1, "id": "call_2", "type": "function", "function": {"name": "time", "arguments": "{}"}}
            ]
        },
        {},
    ]


def test_a_malformed_call_is_marked() -> None:
    """It is content, and the end says what it was meant to be."""
    last = chunks([TextDelta("<tool_call>{", 1), finished("malformed_tool_call")])[-1]
    [choice] = msgspec.convert(last["choices"], list[dict[str, object]])
    assert choice["finish_reason"] == "malformed_tool_call"


def test_thoughts_that_nobody_wants() -> None:
    """They are counted all the same."""
    assert deltas([*THOUGHTS, TextDelta("So", 1), finished()], reasoning_shown=False) == [
        {"role": "assistant", "content": ""},
        {"content": "So"},
        {},
    ]
    answer = msgspec.json.encode(whole([*THOUGHTS, TextDelta("So", 1), finished()], reasoning_shown=False))
    assert b"reasoning_content" not in answer
    assert b'"reasoning_tokens":2' in answer


def test_functions_are_answered_in_their_own_shape() -> None:
    """As OpenAI did before there were tools."""
    events = [*CALLS[:3], finished("tool_calls")]
    [choice] = msgspec.convert(whole(events, functions=True)["choices"], list[dict[str, object]])
    assert choice["finish_reason"] == "function_call"
    message = msgspec.convert(choice["message"], dict[str, object])
    assert message["function_call"] == {"name": "weather", "arguments": '{"city":"Paris"}'}
    assert "tool_calls" not in message
    assert deltas(events, functions=True)[1:] == [
        {"function_call": {"name": "weather", "arguments": ""}},
        {"function_call": {"arguments": '{"city":'}},
        {"function_call": {"arguments": '"Paris"}'}},
        {},
    ]


TIMINGS = {
    "cache_n": 4,
    "prompt_n": 6,
    "prompt_ms": 500.0,
    "prompt_per_token_ms": pytest.approx(500 / 6),
    "prompt_per_second": 12.0,
    "predicted_n": 9,
    "predicted_ms": 2000.0,
    "predicted_per_token_ms": pytest.approx(2000 / 9),
    "predicted_per_second": 4.5,
}


@pytest.mark.parametrize("include_usage", [False, True])
def test_timings_are_at_the_end(include_usage: bool) -> None:  # noqa: FBT001 -- pytest passes by name
    """In llama-server's words, whole and streamed, where they are asked for."""
    events: list[Output] = [TextDelta("Hi", 1), finished()]
    assert whole(events, timings=True)["timings"] == TIMINGS
    found = [chunk.get("timings") for chunk in chunks(events, timings=True, include_usage=include_usage)]
    assert found[:3] == [None, None, TIMINGS]
    assert "timings" not in whole(events)
    assert not any("timings" in chunk for chunk in chunks(events))


def test_usage_so_far() -> None:
    """Every chunk has it after it was told; what has ended is known better than what was told."""
    answer = ChatAnswer(call(include_usage=True, continuous_usage=True), "demo")
    answer.used(10, 1)
    body = answer.opening() + answer.event(TextDelta("Hi", 1))
    answer.used(10, 2)
    body += answer.event(TextDelta("!", 1)) + answer.event(finished())
    events = [each for each in SseParser().feed(body + answer.closing()) if isinstance(each, SseEvent)]
    usages = [msgspec.json.decode(event.data)["usage"] for event in events[:-1]]
    assert [usage["completion_tokens"] for usage in usages] == [1, 1, 2, 2, 9]
    assert {usage["prompt_tokens"] for usage in usages} == {10}


def test_the_best_answers_of_each_prompt_are_sent() -> None:
    """By mean log probability, best first; all that were computed are counted; the scores only where asked for."""
    request = GenerateRequest(model="m", prompt=TextPrompt("x"), n=3, logprobs=0)
    asked = call(requests=(request, request), keep=2, scores_kept=False)
    means = [-3.0, -1.0, -2.0, -1.0, -5.0, -4.0]
    events: list[Output] = []
    for index, mean in enumerate(means):
        scores = tuple(TokenLogprob(0, b"a", mean + step) for step in (-0.5, 0.5))
        events += [TextDelta(f"text {index}", 2, index, scores), finished(tokens=2, index=index)]
    answer = msgspec.json.decode(CompletionAnswer(asked, "demo").whole(events))
    Completion.model_validate(answer, strict=True)
    assert [(choice["index"], choice["text"]) for choice in answer["choices"]] == [
        (0, "text 1"),
        (1, "text 2"),
        (2, "text 3"),
        (3, "text 5"),
    ]
    assert all(choice["logprobs"] is None for choice in answer["choices"])
    assert answer["usage"]["completion_tokens"] == 12
    kept = msgspec.json.decode(CompletionAnswer(call(requests=(request,), keep=1), "demo").whole(events[:6]))
    assert kept["choices"][0]["logprobs"]["token_logprobs"] == [-1.5, -0.5]


def test_an_echoed_prompt_does_not_count_for_the_best() -> None:
    """It is the same in all answers, which are of different lengths."""
    request = GenerateRequest(model="m", prompt=TextPrompt("x"), n=2, logprobs=0)
    prompt = (TokenLogprob(0, b"x", None), TokenLogprob(0, b"y", -50.0))
    events: list[Output] = []
    for index, (count, mean) in enumerate([(9, -2.0), (1, -1.0)]):
        events += [
            TextDelta("xy", 0, index, prompt),
            TextDelta("z" * count, count, index, (TokenLogprob(0, b"z", mean),) * count),
            finished(index=index),
        ]
    answer = msgspec.json.decode(CompletionAnswer(call(requests=(request,), keep=1), "demo").whole(events))
    assert answer["choices"][0]["text"] == "xyz"
