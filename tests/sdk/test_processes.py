"""The official client against `jackfield serve`: a real model, and workers that fail for real."""

from __future__ import annotations

from typing import TYPE_CHECKING

import openai
import pytest

from jackfield.testing.manifests import DEMO, scripted_manifest

if TYPE_CHECKING:
    from collections.abc import Callable

    from openai.types.chat import ChatCompletionMessageParam

    from jackfield.testing.serve import ServeProcess

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello"}]
CRASH: list[ChatCompletionMessageParam] = [{"role": "user", "content": "[say:Hello][crash:3]"}]


def client_of(server: ServeProcess) -> openai.OpenAI:
    """A client that does not retry unless a test asks for it."""
    return openai.OpenAI(base_url=server.target.url + "/v1", api_key="none", max_retries=0)


def test_a_real_model_streams(serve: Callable[[str], ServeProcess]) -> None:
    """llama.cpp's answer through all processes, streamed and whole, the same with the same seed."""
    pytest.importorskip("llama_cpp")
    server = serve(DEMO)
    server.wait_ready()
    with client_of(server) as client:
        with client.chat.completions.create(
            model="default",
            messages=HELLO,
            seed=7,
            max_tokens=24,
            stream=True,
            stream_options={"include_usage": True},
        ) as stream:
            chunks = list(stream)
        whole = client.chat.completions.create(model="default", messages=HELLO, seed=7, max_tokens=24)
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text
    assert text == whole.choices[0].message.content
    assert {chunk.model for chunk in chunks} == {whole.model} == {"demo"}
    assert whole.usage is not None
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


def test_a_worker_that_dies_in_mid_stream(serve: Callable[[str], ServeProcess]) -> None:
    """One error with its code; the client's retries bridge the restart."""
    server = serve(scripted_manifest())
    server.wait_ready()
    texts: list[str] = []
    with client_of(server) as client:
        stream = client.chat.completions.create(model="scripted", messages=CRASH, stream=True)
        with stream, pytest.raises(openai.APIError) as raised:
            texts.extend(choice.delta.content or "" for chunk in stream for choice in chunk.choices)
        assert raised.value.code == "worker_died"
        again = client.with_options(max_retries=5).chat.completions.create(model="scripted", messages=HELLO)
    assert "".join(texts) in {"H", "He", "Hel"}
    assert again.choices[0].message.content == "Hello"


def test_a_model_that_does_not_load(serve: Callable[[str], ServeProcess]) -> None:
    """503 that says not to retry: only the operator can help."""
    server = serve(scripted_manifest(plugin="refuse = true"))
    server.wait_live()
    with client_of(server) as client:
        server.wait("refused", lambda: asked(client) == "model_load_failed")
        with pytest.raises(openai.InternalServerError) as raised:
            client.with_options(max_retries=3).chat.completions.create(model="scripted", messages=HELLO)
    assert raised.value.status_code == 503
    assert raised.value.response.request.headers["x-stainless-retry-count"] == "0"


def asked(client: openai.OpenAI) -> str | None:
    """The code of the error that a chat gives; None if it gives none."""
    try:
        client.chat.completions.create(model="scripted", messages=HELLO)
    except openai.APIStatusError as error:
        return error.code
    return None
