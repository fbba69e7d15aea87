"""Tools and thoughts through the official client: on the demo model, and on one that says what it is told to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel, Field

from jackfield.testing.manifests import DEMO, tool_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from openai.types.chat import (
        ChatCompletionMessageParam,
        ChatCompletionToolChoiceOptionParam,
        ChatCompletionToolParam,
    )

    from jackfield.testing.target import Target

QUESTION: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is the weather in Paris?"}]
CITY = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 20}}, "required": ["city"]}
WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather of a city.",
        "parameters": {**CITY, "additionalProperties": False},
    },
}
STRICT: ChatCompletionToolParam = {"type": "function", "function": {**WEATHER["function"], "strict": True}}


class GetWeather(BaseModel):
    """Get the weather of a city."""

    city: str = Field(max_length=20)
    unit: Literal["celsius", "fahrenheit"]


class Verdict(BaseModel):
    """A short answer."""

    verdict: Literal["good", "bad"]


@pytest.fixture
def demo(servers: Callable[[str], Target]) -> Iterator[OpenAI]:
    """A client of a server with the demo model."""
    with OpenAI(base_url=servers(DEMO).url + "/v1", api_key="none", max_retries=0) as made:
        yield made


@pytest.fixture
def told(servers: Callable[[str], Target]) -> Iterator[OpenAI]:
    """A client of a server whose model says what it is told, thoughts and calls included."""
    with OpenAI(base_url=servers(tool_manifest()).url + "/v1", api_key="none", max_retries=0) as made:
        yield made


def say(text: str) -> list[ChatCompletionMessageParam]:
    """A question that is answered with *text*."""
    return [{"role": "user", "content": f"[hex:{text.encode().hex()}]"}]


def test_a_tool_is_called(demo: OpenAI) -> None:
    """With its name, an id, and arguments that are JSON."""
    answer = demo.chat.completions.create(model="demo", messages=QUESTION, tools=[WEATHER], temperature=0)
    [choice] = answer.choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    assert choice.message.tool_calls is not None
    [call] = choice.message.tool_calls
    assert call.type == "function"
    assert call.id
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "Paris"}


def test_a_streamed_call_is_the_whole_one(demo: OpenAI) -> None:
    """By the client's own accumulator."""
    with demo.chat.completions.stream(model="demo", messages=QUESTION, tools=[STRICT], temperature=0) as stream:
        events = [event.type for event in stream]
        final = stream.get_final_completion()
    assert "tool_calls.function.arguments.done" in events
    [choice] = final.choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls is not None
    [call] = choice.message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Paris"})


def test_a_result_is_answered(demo: OpenAI) -> None:
    """The call and its result go back as they came."""
    asked = demo.chat.completions.create(model="demo", messages=QUESTION, tools=[WEATHER], temperature=0)
    message = asked.choices[0].message
    assert message.tool_calls is not None
    history = [
        *QUESTION,
        message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": '{"temperature": 21, "sky": "clear"}'},
    ]
    answer = demo.chat.completions.create(
        model="demo",
        messages=history,  # type: ignore[arg-type]  # a message as it came
        tools=[WEATHER],
        temperature=0,
        max_tokens=60,
    )
    assert answer.choices[0].message.content


@pytest.mark.parametrize(
    "choice",
    [
        "required",
        {"type": "function", "function": {"name": "get_weather"}},
        {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [WEATHER]}},
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_call_is_forced(demo: OpenAI, choice: ChatCompletionToolChoiceOptionParam, seed: int) -> None:
    """Where nothing would be called, and however wildly it is drawn; the arguments satisfy their schema."""
    answer = demo.chat.completions.create(
        model="demo",
        messages=[{"role": "user", "content": "Who are you?"}],
        tools=[STRICT],
        tool_choice=choice,
        parallel_tool_calls=False,
        temperature=1.5,
        seed=seed,
        max_tokens=200,
    )
    message = answer.choices[0].message
    assert message.tool_calls is not None
    [call] = message.tool_calls
    assert call.type == "function"
    assert call.function.name == "get_weather"
    assert list(json.loads(call.function.arguments)) == ["city"]


def test_no_tool_is_called_where_none_may_be(demo: OpenAI) -> None:
    """The tools are there, for the history."""
    answer = demo.chat.completions.create(
        model="demo", messages=QUESTION, tools=[WEATHER], tool_choice="none", temperature=0, max_tokens=40
    )
    assert answer.choices[0].message.tool_calls is None


def test_arguments_are_parsed_into_a_class(demo: OpenAI) -> None:
    """The client's parse helper, with a strict schema made by pydantic."""
    answer = demo.chat.completions.parse(
        model="demo",
        messages=QUESTION,
        tools=[openai.pydantic_function_tool(GetWeather, name="get_weather")],
        tool_choice="required",
        parallel_tool_calls=False,
        temperature=1.2,
        seed=3,
        max_tokens=200,
    )
    calls = answer.choices[0].message.tool_calls
    assert calls is not None
    assert isinstance(calls[0].function.parsed_arguments, GetWeather)


def test_a_shape_and_tools(demo: OpenAI) -> None:
    """The answer is a call, or of that shape."""
    answer = demo.chat.completions.parse(
        model="demo",
        messages=[{"role": "user", "content": "Is bread good?"}],
        tools=[STRICT],
        response_format=Verdict,
        temperature=0,
        max_tokens=200,
    )
    message = answer.choices[0].message
    assert message.tool_calls or isinstance(message.parsed, Verdict)


def test_functions_of_old_clients(demo: OpenAI) -> None:
    """Asked and answered as before there were tools."""
    answer = demo.chat.completions.create(
        model="demo",
        messages=QUESTION,
        functions=[WEATHER["function"]],
        function_call={"name": "get_weather"},
        temperature=0,
        max_tokens=200,
    )
    [choice] = answer.choices
    assert choice.finish_reason == "function_call"
    assert choice.message.function_call is not None
    assert json.loads(choice.message.function_call.arguments) == {"city": "Paris"}


def test_thoughts_text_and_calls_are_told_apart(told: OpenAI) -> None:
    """Whatever the model says, whole and streamed."""
    call = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "€[😀]"}}\n</tool_call>'
    text = f"<think>\nHm: [1].\n</think>\n\nI look.\n{call}"
    [choice] = told.chat.completions.create(model="scripted", messages=say(text), tools=[WEATHER]).choices
    assert choice.message.content == "I look."
    assert choice.message.model_extra == {"reasoning_content": "Hm: [1]."}
    assert choice.message.tool_calls is not None
    [made] = choice.message.tool_calls
    assert made.type == "function"
    assert json.loads(made.function.arguments) == {"city": "€[😀]"}
    assert choice.finish_reason == "tool_calls"
    with told.chat.completions.stream(model="scripted", messages=say(text), tools=[STRICT]) as stream:
        message = stream.get_final_completion().choices[0].message
    assert message.content == "I look."
    assert message.tool_calls is not None
    assert json.loads(message.tool_calls[0].function.arguments) == {"city": "€[😀]"}


def test_thoughts_are_counted_and_limited(told: OpenAI) -> None:
    """In the usage; when the budget is spent they are ended."""
    text = "<think>\n" + "Hm. " * 50 + "</think>\n\nHello"
    free = told.chat.completions.create(model="scripted", messages=say(text))
    assert free.usage is not None
    assert free.usage.completion_tokens_details is not None
    assert free.choices[0].message.content == "Hello"
    assert (free.usage.completion_tokens_details.reasoning_tokens or 0) >= 200
    short = told.chat.completions.create(
        model="scripted", messages=say(text), extra_body={"reasoning_budget_tokens": 20}, max_tokens=100
    )
    assert len(getattr(short.choices[0].message, "reasoning_content", "")) <= 20


def test_thoughts_can_be_left_out(told: OpenAI) -> None:
    """The answer is the same."""
    answer = told.chat.completions.create(
        model="scripted", messages=say("<think>\nHm.\n</think>\n\nHello"), extra_body={"include_reasoning": False}
    )
    assert answer.choices[0].message.content == "Hello"
    assert not hasattr(answer.choices[0].message, "reasoning_content")


def test_a_malformed_call_is_content(told: OpenAI) -> None:
    """And marked."""
    answer = told.chat.completions.create(
        model="scripted", messages=say('<tool_call>\n{"name": "get_weather", oops'), tools=[WEATHER]
    )
    [choice] = answer.choices
    assert "oops" in (choice.message.content or "")
    assert choice.finish_reason == "malformed_tool_call"  # type: ignore[comparison-overlap]  # ours


def test_a_message_is_continued(told: OpenAI) -> None:
    """The last one, where it is the assistant's: only what is new is answered."""
    begun: list[ChatCompletionMessageParam] = [
        {"role": "user", "content": "[say:Hello there]"},
        {"role": "assistant", "content": "Hello"},
    ]
    answer = told.chat.completions.create(model="scripted", messages=begun, max_tokens=6)
    assert answer.choices[0].message.content == " there"


def test_several_answers_share_one_prompt(told: OpenAI) -> None:
    """It counts once."""
    one = told.chat.completions.create(model="scripted", messages=say("Hello"))
    three = told.chat.completions.create(model="scripted", messages=say("Hello"), n=3)
    assert one.usage is not None
    assert three.usage is not None
    assert three.usage.prompt_tokens == one.usage.prompt_tokens
    assert three.usage.completion_tokens == 3 * one.usage.completion_tokens


def test_tools_need_a_model_that_can(servers: Callable[[str], Target], client: OpenAI) -> None:
    """Without a dialect for its template a model never gets them."""
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="scripted", messages=QUESTION, tools=[WEATHER])
    assert refused.value.param == "tools"
    assert refused.value.response.headers["x-should-retry"] == "false"
