"""Sampling, several answers and log probabilities through the official client."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hi €"}]


def test_several_answers(client: OpenAI) -> None:
    """Numbered, each whole, counted together."""
    answer = client.chat.completions.create(model="scripted", messages=HELLO, n=3)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert [choice.message.content for choice in answer.choices] == ["Hi €"] * 3
    assert [choice.finish_reason for choice in answer.choices] == ["stop"] * 3
    one = client.chat.completions.create(model="scripted", messages=HELLO)
    assert answer.usage is not None
    assert one.usage is not None
    assert answer.usage.prompt_tokens == one.usage.prompt_tokens
    assert answer.usage.completion_tokens == 3 * one.usage.completion_tokens


def test_several_answers_streamed(base_url: str) -> None:
    """Side by side, each with its own role and end; one usage."""

    async def run() -> None:
        async with AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0) as client, asyncio.timeout(30):
            stream = await client.chat.completions.create(
                model="scripted", messages=HELLO, n=2, stream=True, stream_options={"include_usage": True}
            )
            chunks = [chunk async for chunk in stream]
        choices = [choice for chunk in chunks for choice in chunk.choices]
        for index in (0, 1):
            own = [choice for choice in choices if choice.index == index]
            assert [choice.delta.role for choice in own] == ["assistant", *[None] * (len(own) - 1)]
            assert "".join(choice.delta.content or "" for choice in own) == "Hi €"
            assert [choice.finish_reason for choice in own] == [*[None] * (len(own) - 1), "stop"]
        assert [chunk.usage is not None for chunk in chunks] == [*[False] * (len(chunks) - 1), True]

    asyncio.run(run())


def test_the_streaming_helper_knows_several_answers(client: OpenAI) -> None:
    """The client's own accumulator puts them together."""
    with client.chat.completions.stream(model="scripted", messages=HELLO, n=2, logprobs=True) as stream:
        final = stream.get_final_completion()
    assert [choice.message.content for choice in final.choices] == ["Hi €"] * 2
    for choice in final.choices:
        assert choice.logprobs is not None
        assert choice.logprobs.content is not None
        assert len(choice.logprobs.content) == len("Hi €".encode())


def test_more_answers_than_the_model_can_compute_at_once(client: OpenAI) -> None:
    """Refused with the limit."""
    with pytest.raises(openai.BadRequestError, match="at most 1 ") as refused:
        client.chat.completions.create(model="narrow", messages=HELLO, n=2)
    assert refused.value.param == "n"


def test_log_probabilities(client: OpenAI) -> None:
    """Of each token, by its bytes; the others beside it, most likely first."""
    answer = client.chat.completions.create(model="scripted", messages=HELLO, logprobs=True, top_logprobs=2)
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert bytes(byte for token in logprobs.content for byte in token.bytes or ()) == "Hi €".encode()
    assert [token.token for token in logprobs.content] == ["H", "i", " ", "�", "�", "�"]
    for token in logprobs.content:
        assert [other.token for other in token.top_logprobs] == [token.token, "."]
        assert token.logprob == token.top_logprobs[0].logprob > token.top_logprobs[1].logprob


def test_log_probabilities_streamed(client: OpenAI) -> None:
    """Each chunk has those of its own text."""
    whole = client.chat.completions.create(model="scripted", messages=HELLO, logprobs=True, top_logprobs=1)
    with client.chat.completions.create(
        model="scripted", messages=HELLO, logprobs=True, top_logprobs=1, stream=True
    ) as stream:
        parts = [choice.logprobs for chunk in stream for choice in chunk.choices if choice.logprobs]
    assert whole.choices[0].logprobs is not None
    assert [token for part in parts for token in part.content or ()] == whole.choices[0].logprobs.content


def test_an_echo_with_log_probabilities(client: OpenAI) -> None:
    """As evaluation harnesses ask: how likely is this text?"""
    answer = client.completions.create(model="scripted", prompt="how likely", echo=True, logprobs=1, max_tokens=0)
    [choice] = answer.choices
    assert (choice.text, choice.finish_reason) == ("how likely", "length")
    assert choice.logprobs is not None
    assert choice.logprobs.tokens == list("how likely")
    assert choice.logprobs.text_offset == list(range(10))
    assert choice.logprobs.token_logprobs is not None
    first, *others = choice.logprobs.token_logprobs
    assert first is None
    assert all(value < 0 for value in others)
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 0


def test_an_end_token_counts_in_a_completion(client: OpenAI) -> None:
    """A harness asks for an echo and one token, and takes the last entry away: it must be the drawn token's."""
    asked = "[say:]"
    answer = client.completions.create(model="scripted", prompt=asked, echo=True, logprobs=1, max_tokens=1)
    [choice] = answer.choices
    assert (choice.text, choice.finish_reason) == (asked, "stop")
    assert choice.logprobs is not None
    assert choice.logprobs.tokens == [*asked, "<end>"]
    assert choice.logprobs.text_offset == [*range(len(asked)), len(asked)]
    assert choice.logprobs.token_logprobs is not None
    assert len(choice.logprobs.token_logprobs) == len(asked) + 1
    with client.completions.create(
        model="scripted", prompt=asked, echo=True, logprobs=1, max_tokens=1, stream=True
    ) as stream:
        parts = [chunk.choices[0].logprobs for chunk in stream]
    assert [token for part in parts if part for token in part.tokens or ()] == choice.logprobs.tokens


def test_an_echo_and_its_continuation(client: OpenAI) -> None:
    """One text; the entries of both, in one list."""
    answer = client.completions.create(model="scripted", prompt="ab", echo=True, logprobs=0, max_tokens=1)
    assert answer.choices[0].text == "aba"
    assert answer.choices[0].logprobs is not None
    assert answer.choices[0].logprobs.tokens == ["a", "b", "a"]
    with client.completions.create(model="scripted", prompt="ab", echo=True, max_tokens=1, stream=True) as stream:
        assert "".join(chunk.choices[0].text for chunk in stream) == "aba"


@pytest.mark.parametrize(
    "prompts", [["[say:one]", "[say:two]", "[say:three]"], [list(b"[say:one]"), list(b"[say:two]")]]
)
@pytest.mark.parametrize("model", ["scripted", "narrow"])
def test_several_prompts(client: OpenAI, prompts: list[str] | list[list[int]], model: str) -> None:
    """In OpenAI's order, also where only one can be computed at a time."""
    answer = client.completions.create(model=model, prompt=prompts)
    words = ["one", "two", "three"][: len(prompts)]
    assert [(choice.index, choice.text) for choice in answer.choices] == list(enumerate(words))
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == sum(map(len, prompts))


def test_several_prompts_with_several_answers(client: OpenAI) -> None:
    """Choice i of prompt p is p * n + i; streamed as they come."""
    prompts = ["[say:one]", "[say:two]"]
    answer = client.completions.create(model="scripted", prompt=prompts, n=2, best_of=2)
    assert [choice.text for choice in answer.choices] == ["one", "one", "two", "two"]
    texts = dict.fromkeys(range(4), "")
    with client.completions.create(model="scripted", prompt=prompts, n=2, stream=True) as stream:
        for chunk in stream:
            texts[chunk.choices[0].index] += chunk.choices[0].text
    assert texts == {0: "one", 1: "one", 2: "two", 3: "two"}


def test_more_prompts_than_places(client: OpenAI) -> None:
    """They wait for each other."""
    prompts = [f"[say:{number}]" for number in range(50)]
    answer = client.completions.create(model="scripted", prompt=prompts)
    assert [choice.text for choice in answer.choices] == [str(number) for number in range(50)]


def test_one_prompt_that_fails_fails_the_request(client: OpenAI) -> None:
    """Half of the answers would look like all of them."""
    with pytest.raises(openai.InternalServerError) as raised:
        client.completions.create(model="scripted", prompt=["[say:one]", "[say:two][fail:1]"])
    assert raised.value.code == "backend_fault"
    with pytest.raises(openai.BadRequestError) as refused:
        client.completions.create(model="scripted", prompt=[[104], [104, 5000]])
    assert refused.value.param == "prompt[1][1]"


def test_biases(client: OpenAI) -> None:
    """OpenAI's form, and llama-server's through ``extra_body``."""
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "[say:hello]"}]
    answer = client.chat.completions.create(model="scripted", messages=messages, logit_bias={"101": -100})
    assert answer.choices[0].message.content == "h.llo"
    answer = client.chat.completions.create(
        model="scripted", messages=messages, extra_body={"logit_bias": [["l", False], [111, -50]]}
    )
    assert answer.choices[0].message.content == "he..."


def test_where_an_answer_stops(client: OpenAI) -> None:
    """vLLM's fields, and its word for what stopped the answer."""
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "[say:hello]"}]
    answer = client.chat.completions.create(model="scripted", messages=messages, extra_body={"stop_token_ids": [108]})
    assert answer.choices[0].message.content == "he"
    assert answer.choices[0].model_extra == {"stop_reason": 108}
    answer = client.chat.completions.create(model="scripted", messages=messages, stop="lo")
    assert answer.choices[0].model_extra == {"stop_reason": "lo"}
    answer = client.chat.completions.create(model="scripted", messages=messages, extra_body={"min_tokens": 7})
    assert answer.choices[0].message.content == "hello.."
    assert answer.choices[0].model_extra == {}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 0}, "n"),
        ({"n": 9}, "n"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"logit_bias": {"1": "x"}}, "logit_bias.1"),
        ({"logit_bias": {"257": 1}}, "logit_bias.257"),
        ({"stop_token_ids": [257]}, "stop_token_ids[0]"),
        ({"min_tokens": 5, "max_tokens": 4}, "min_tokens"),
        ({"frequency_penalty": 2.5}, "frequency_penalty"),
        ({"mirostat": 3}, "mirostat"),
        ({"xtc_probability": 2}, "xtc_probability"),
        ({"dry_sequence_breakers": [""]}, "dry_sequence_breakers"),
        ({"bad_words": ["x"]}, "bad_words"),
    ],
)
def test_what_makes_no_sense_names_its_path(client: OpenAI, fields: dict[str, object], param: str) -> None:
    """400 with ``param``, whoever finds out: frontend, gateway or worker."""
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="scripted", messages=HELLO, extra_body=fields)
    assert refused.value.param == param
