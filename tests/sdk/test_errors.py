"""Errors as the official client raises them, and what it concludes from their headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import openai
import pytest

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types.chat import ChatCompletionMessageParam

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello"}]
SLOW: list[ChatCompletionMessageParam] = [{"role": "user", "content": "[repeat:900:word ][delay:10]"}]


def test_a_wrong_value_is_a_bad_request(client: OpenAI) -> None:
    """With its path, its code and its type, and the id of the request."""
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(model="scripted", messages=HELLO, temperature=3)
    error = raised.value
    assert (error.param, error.code, error.type) == ("temperature", "invalid_value", "invalid_request_error")
    assert error.request_id


def test_what_cannot_be_honoured_is_a_bad_request(client: OpenAI) -> None:
    """Never a silent loss."""
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(model="scripted", messages=HELLO, modalities=["text", "audio"])
    assert (raised.value.param, raised.value.code) == ("modalities", "unsupported_parameter")


def test_an_unknown_field_is_a_bad_request(client: OpenAI) -> None:
    """With a suggestion."""
    with pytest.raises(openai.BadRequestError, match="did you mean temperature") as raised:
        client.chat.completions.create(model="scripted", messages=HELLO, extra_body={"temprature": 1})
    assert raised.value.code == "unknown_parameter"


@pytest.mark.parametrize("stream", [False, True])
def test_an_unknown_model_is_not_found(client: OpenAI, stream: bool) -> None:  # noqa: FBT001 -- pytest passes by name
    """Whatever is asked of it."""
    with pytest.raises(openai.NotFoundError) as raised:
        client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=stream)
    assert (raised.value.code, raised.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.NotFoundError) as raised:
        client.models.retrieve("gpt-4o")
    assert raised.value.code == "model_not_found"


def test_an_unknown_path_is_not_found(client: OpenAI) -> None:
    """With an error in OpenAI's shape."""
    with pytest.raises(openai.NotFoundError) as raised:
        client.images.generate(prompt="x")
    assert raised.value.code == "unknown_url"


def test_a_prompt_beyond_the_context_is_a_bad_request(client: OpenAI) -> None:
    """With the code that clients look for."""
    with pytest.raises(openai.BadRequestError) as raised:
        client.completions.create(model="scripted", prompt="x" * 5000)
    assert raised.value.code == "context_length_exceeded"


def test_a_full_server_is_a_rate_limit_error(client: OpenAI) -> None:
    """With the delay after which a retry makes sense."""
    slow = client.chat.completions.create(model="narrow", messages=SLOW, stream=True)
    with slow, pytest.raises(openai.RateLimitError) as raised:
        client.chat.completions.create(model="narrow", messages=HELLO)
    assert raised.value.code == "queue_full"
    assert float(raised.value.response.headers["retry-after-ms"]) > 0


def test_the_client_retries_what_may_succeed(client: OpenAI) -> None:
    """It waits as long as the answer says, and gets through once there is room."""
    busy = client.chat.completions.create(model="narrow", messages=SLOW, stream=True, max_tokens=20)
    with busy:
        raw = client.with_options(max_retries=5).chat.completions.with_raw_response.create(
            model="narrow", messages=HELLO
        )
    assert raw.retries_taken >= 1
    assert raw.parse().choices[0].message.content == "Hello"


def test_the_client_does_not_retry_what_cannot(client: OpenAI) -> None:
    """A refusal is final, and says so."""
    patient = client.with_options(max_retries=5)
    with pytest.raises(openai.BadRequestError) as raised:
        patient.chat.completions.create(model="scripted", messages=HELLO, reasoning_effort="high")
    assert raised.value.response.headers["x-should-retry"] == "false"
    assert raised.value.response.request.headers["x-stainless-retry-count"] == "0"


@pytest.mark.parametrize("stream", [False, True])
def test_a_failure_before_the_first_token_is_a_status(client: OpenAI, stream: bool) -> None:  # noqa: FBT001 -- pytest passes by name
    """Also of a stream: nothing was sent yet."""
    with pytest.raises(openai.InternalServerError) as raised:
        client.completions.create(model="scripted", prompt="[say:Hello][fail:0]", stream=stream)
    assert (raised.value.status_code, raised.value.code) == (500, "backend_fault")


def test_a_failure_in_mid_stream_ends_the_iteration(client: OpenAI) -> None:
    """What came before is there; then the client raises, with the error's code."""
    stream = client.completions.create(model="scripted", prompt="[say:Hello][fail:3]", stream=True)
    texts: list[str] = []
    with stream, pytest.raises(openai.APIError) as raised:
        texts.extend(chunk.choices[0].text for chunk in stream)
    assert "".join(texts) == "Hel"
    assert raised.value.code == "backend_fault"
    assert not isinstance(raised.value, openai.APIStatusError)
