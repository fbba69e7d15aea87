"""Structured output through the official client, on the demo model."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel, Field

from jackfield.testing.manifests import DEMO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from openai.types.chat import ChatCompletionMessageParam

    from jackfield.testing.target import Target

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Who are you?"}]


class Pet(BaseModel):
    """Something with bounds, so that an answer ends."""

    name: str = Field(max_length=12)
    kind: Literal["cat", "dog", "fish"]
    age: int = Field(ge=0, le=30)
    friends: list[Literal["Ann", "Bob"]] = Field(max_length=2)


@pytest.fixture
def demo(servers: Callable[[str], Target]) -> Iterator[OpenAI]:
    """A client of a server with the demo model."""
    with OpenAI(base_url=servers(DEMO).url + "/v1", api_key="none", max_retries=0) as made:
        yield made


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_answer_is_parsed_into_a_class(demo: OpenAI, seed: int) -> None:
    """With pydantic's schema, however wildly the answer is drawn."""
    answer = demo.chat.completions.parse(
        model="demo", messages=HELLO, response_format=Pet, seed=seed, temperature=1.8, max_tokens=300
    )
    [choice] = answer.choices
    assert choice.finish_reason == "stop"
    assert isinstance(choice.message.parsed, Pet)


def test_a_stream_is_parsed_into_a_class(demo: OpenAI) -> None:
    """By the client's own accumulator; it is the same as the whole answer."""
    asked = {"model": "demo", "messages": HELLO, "response_format": Pet, "temperature": 0, "max_tokens": 300}
    with demo.chat.completions.stream(**asked) as stream:  # type: ignore[arg-type]  # fields by name
        final = stream.get_final_completion()
    whole = demo.chat.completions.parse(**asked)  # type: ignore[arg-type]  # fields by name
    assert final.choices[0].message.content == whole.choices[0].message.content
    assert isinstance(final.choices[0].message.parsed, Pet)


def test_an_answer_that_is_cut_is_not_taken_for_whole(demo: OpenAI) -> None:
    """The client raises what it raises for OpenAI."""
    with pytest.raises(openai.LengthFinishReasonError):
        demo.chat.completions.parse(model="demo", messages=HELLO, response_format=Pet, max_tokens=2)


def test_any_json_object(demo: OpenAI) -> None:
    """It begins as one, whether it ends or is cut."""
    answer = demo.chat.completions.create(
        model="demo", messages=HELLO, response_format={"type": "json_object"}, max_tokens=40
    )
    assert (answer.choices[0].message.content or "").lstrip().startswith("{")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"structured_outputs": {"choice": ["yes", "no"]}}, "yes|no"),
        ({"structured_outputs": {"regex": "[a-f]{4}-[0-9]{2}"}}, "[a-f]{4}-[0-9]{2}"),
        ({"guided_choice": ["red", "green"]}, "red|green"),
        ({"guided_grammar": 'start: "a" /[0-9]{3}/'}, "a[0-9]{3}"),
        ({"grammar": 'root ::= "x" [0-9] [0-9]'}, "x[0-9][0-9]"),
        ({"json_schema": {"enum": ["up", "down"]}}, '"up"|"down"'),
        ({"regex": "(ab){2}"}, "(ab){2}"),
    ],
)
def test_other_servers_fields(demo: OpenAI, fields: dict[str, object], expected: str) -> None:
    """vLLM's, llama-server's and SGLang's, in chats and in completions."""
    answer = demo.chat.completions.create(model="demo", messages=HELLO, extra_body=fields, temperature=1.5)
    assert re.fullmatch(expected, answer.choices[0].message.content or "")
    text = demo.completions.create(model="demo", prompt="Say:", extra_body=fields, temperature=1.5, max_tokens=50)
    assert re.fullmatch(expected, text.choices[0].text)
    assert {answer.choices[0].finish_reason, text.choices[0].finish_reason} == {"stop"}


def test_what_cannot_be_enforced_is_a_bad_request(demo: OpenAI) -> None:
    """With the field's path, the keyword and where in the schema it stands."""
    schema: dict[str, object] = {"type": "object", "properties": {"a": {"not": {"type": "null"}}}}
    with pytest.raises(openai.BadRequestError, match="/properties/a/not") as refused:
        demo.chat.completions.create(
            model="demo",
            messages=HELLO,
            response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": schema}},
        )
    assert refused.value.param == "response_format.json_schema.schema"


def test_cached_tokens_are_told(demo: OpenAI) -> None:
    """Whole and streamed: what an earlier request with the same salt left, and nothing without leave."""
    prompt = "All work and no play makes Jack a dull boy. " * 4

    def cached(**fields: object) -> tuple[int, int]:
        usage = demo.completions.create(model="demo", prompt=prompt, max_tokens=2, extra_body=fields).usage
        assert usage is not None
        assert usage.prompt_tokens_details is not None
        return usage.prompt_tokens_details.cached_tokens or 0, usage.prompt_tokens

    assert cached(cache_salt="sdk")[0] == 0
    again, tokens = cached(cache_salt="sdk")
    assert again == tokens - 1
    assert cached(cache_salt="sdk", cache_prompt=False)[0] == 0
    assert cached(cache_salt="another")[0] == 0
    with demo.completions.create(
        model="demo",
        prompt=prompt,
        max_tokens=2,
        stream=True,
        stream_options={"include_usage": True},
        extra_body={"cache_salt": "sdk"},
    ) as stream:
        [usage] = [chunk.usage for chunk in stream if chunk.usage is not None]
    assert usage.prompt_tokens_details is not None
    assert usage.prompt_tokens_details.cached_tokens == tokens - 1
