"""Whole and streamed answers through the official client, synchronous and asynchronous."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest
from openai import AsyncOpenAI, OpenAI

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello, 日本 🎹"}]


def asynchronously(base_url: str, scenario: Callable[[AsyncOpenAI], Awaitable[None]]) -> None:
    """Run *scenario* with an asynchronous client."""

    async def run() -> None:
        async with AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0) as client, asyncio.timeout(30):
            await scenario(client)

    asyncio.run(run())


def check_chunks(chunks: list[ChatCompletionChunk], text: str) -> None:
    """The promises of a stream, with usage."""
    *with_choice, usage = chunks
    assert [len(chunk.choices) for chunk in chunks] == [1] * len(with_choice) + [0]
    choices = [chunk.choices[0] for chunk in with_choice]
    assert len({chunk.id for chunk in chunks}) == 1
    assert [choice.delta.role for choice in choices] == ["assistant", *[None] * (len(choices) - 1)]
    assert "".join(choice.delta.content or "" for choice in choices) == text
    assert all(choice.delta.content for choice in choices[1:-1])
    assert [choice.finish_reason for choice in choices] == [*[None] * (len(choices) - 1), "stop"]
    assert usage.usage is not None
    assert usage.usage.completion_tokens >= len(choices) - 2
    assert usage.usage.prompt_tokens_details is not None
    cached = usage.usage.prompt_tokens_details.cached_tokens
    assert cached is not None
    assert 0 <= cached < usage.usage.prompt_tokens


def test_a_chat(client: OpenAI) -> None:
    """The answer, why it ended, what it took."""
    answer = client.chat.completions.create(model="scripted", messages=HELLO)
    assert answer.object == "chat.completion"
    assert answer.model == "scripted"
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].message.content == "Hello, 日本 🎹"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_streamed_chat(client: OpenAI) -> None:
    """As the reference describes it."""
    with client.chat.completions.create(
        model="scripted", messages=HELLO, stream=True, stream_options={"include_usage": True}
    ) as stream:
        check_chunks(list(stream), "Hello, 日本 🎹")


def test_a_chat_asynchronously(base_url: str) -> None:
    """Many at once."""

    async def scenario(client: AsyncOpenAI) -> None:
        answers = await asyncio.gather(
            *(
                client.chat.completions.create(model="scripted", messages=[{"role": "user", "content": f"answer {n}"}])
                for n in range(8)
            )
        )
        assert [answer.choices[0].message.content for answer in answers] == [f"answer {n}" for n in range(8)]
        assert len({answer.id for answer in answers}) == 8

    asynchronously(base_url, scenario)


def test_a_streamed_chat_asynchronously(base_url: str) -> None:
    """The same stream, another reader."""

    async def scenario(client: AsyncOpenAI) -> None:
        stream = await client.chat.completions.create(
            model="scripted", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
        async with stream:
            check_chunks([chunk async for chunk in stream], "Hello, 日本 🎹")

    asynchronously(base_url, scenario)


def test_the_streaming_helper(client: OpenAI) -> None:
    """The client's own accumulator agrees with the whole answer."""
    with client.chat.completions.stream(model="scripted", messages=HELLO) as stream:
        texts = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    assert "".join(texts) == final.choices[0].message.content == "Hello, 日本 🎹"
    assert final.choices[0].finish_reason == "stop"


@pytest.mark.parametrize("form", ["object", "dump", "dump of what is set"])
def test_an_answer_can_be_sent_back(client: OpenAI, form: str) -> None:
    """A conversation is carried on with the client's own objects, as everybody does."""
    message = client.chat.completions.create(model="scripted", messages=HELLO).choices[0].message
    forms = {
        "object": message,
        "dump": message.model_dump(),
        "dump of what is set": message.model_dump(exclude_unset=True),
    }
    turns = cast("list[ChatCompletionMessageParam]", [*HELLO, forms[form], {"role": "user", "content": "and"}])
    answer = client.chat.completions.create(model="scripted", messages=turns)
    assert answer.usage is not None
    assert answer.usage.prompt_tokens > 2 * len("Hello, 日本 🎹".encode())


def test_parts_and_limits(client: OpenAI) -> None:
    """Content in parts, a token limit, a stop string."""
    parts: list[ChatCompletionMessageParam] = [{"role": "user", "content": [{"type": "text", "text": "one two three"}]}]
    answer = client.chat.completions.create(
        model="scripted", messages=parts, max_completion_tokens=3, seed=1, temperature=0
    )
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("one", "length")
    answer = client.chat.completions.create(model="scripted", messages=parts, stop=[" three"])
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("one two", "stop")


def test_a_completion(client: OpenAI) -> None:
    """Raw text, whole and streamed."""
    answer = client.completions.create(model="scripted", prompt="[say:on and on]")
    assert (answer.object, answer.choices[0].text, answer.choices[0].finish_reason) == (
        "text_completion",
        "on and on",
        "stop",
    )
    with client.completions.create(model="scripted", prompt="[say:on and on]", stream=True) as stream:
        chunks = list(stream)
    assert "".join(chunk.choices[0].text for chunk in chunks) == "on and on"
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_a_completion_of_tokens(client: OpenAI) -> None:
    """A prompt may be token ids."""
    answer = client.completions.create(model="scripted", prompt=list(b"[say:bytes]"))
    assert answer.choices[0].text == "bytes"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == len(b"[say:bytes]")


def test_local_options_go_through_extra_body(client: OpenAI) -> None:
    """``ignore_eos`` runs to the limit; the others are accepted."""
    answer = client.chat.completions.create(
        model="scripted", messages=HELLO, max_tokens=30, extra_body={"ignore_eos": True, "top_k": 40, "min_p": 0.05}
    )
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 30


def test_models(client: OpenAI) -> None:
    """The list, one by name, one by alias."""
    models = client.models.list()
    assert [model.id for model in models] == ["scripted", "narrow"]
    assert client.models.retrieve("scripted") == client.models.retrieve("default") == models.data[0]
    assert models.data[0].owned_by == "jackfield"


def test_the_request_id(client: OpenAI) -> None:
    """The client shows the server's id of each request."""
    first = client.chat.completions.create(model="scripted", messages=HELLO)
    second = client.chat.completions.create(model="scripted", messages=HELLO)
    assert first._request_id
    assert first._request_id != second._request_id


def test_raw_and_streaming_responses(client: OpenAI) -> None:
    """Headers before the body, and the body line by line."""
    raw = client.chat.completions.with_raw_response.create(model="scripted", messages=HELLO)
    assert raw.headers["x-request-id"] == raw.request_id
    assert raw.parse().choices[0].message.content == "Hello, 日本 🎹"
    with client.chat.completions.with_streaming_response.create(
        model="scripted", messages=HELLO, stream=True
    ) as response:
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        lines = [line for line in response.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    assert all(line.startswith("data: ") for line in lines)


@pytest.mark.parametrize("wait_for", ["first text", "nothing"])
def test_closing_a_stream_frees_its_slot(client: OpenAI, wait_for: str) -> None:
    """A client that stops reading stops the generation: the only slot of the model is free for the next at once."""
    endless: list[ChatCompletionMessageParam] = [{"role": "user", "content": "[repeat:900:word ][delay:10]"}]
    with client.chat.completions.create(model="narrow", messages=endless, stream=True) as stream:
        if wait_for == "first text":
            assert any(chunk.choices[0].delta.content for chunk in stream)
    patient = client.with_options(max_retries=5)
    answer = patient.chat.completions.create(model="narrow", messages=HELLO, timeout=10)
    assert answer.choices[0].message.content == "Hello, 日本 🎹"
