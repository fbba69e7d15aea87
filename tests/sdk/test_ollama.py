"""The official ``ollama`` client, synchronous and asynchronous."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Literal

import pytest
from aiohttp.test_utils import TestServer
from ollama import AsyncClient, Client, Message, ResponseError
from pydantic import BaseModel, Field

from jackfield.testing.kits.scripted_gateway import ScriptedGateway, finished, serve_frontend
from jackfield.testing.manifests import scripted_manifest
from jackfield.types import ReasoningDelta, Started, TextDelta
from jackfield_ollama.config import OllamaConfig
from jackfield_ollama.frontend import OllamaFrontend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jackfield.testing.target import Target

TEXT: Final = "Hello, 日本 🎹"
HELLO: Final = [{"role": "user", "content": TEXT}]
CALL: Final = '[say:<tool_call>\n{"name": "weather", "arguments": {"city": "Zürich"}}\n</tool_call>]'


class Pet(BaseModel):
    """Something with bounds, so that an answer ends."""

    kind: Literal["cat", "dog"]
    age: int = Field(ge=0, le=30)


def weather(city: str) -> str:
    """The weather of a city.

    Args:
        city: Its name.

    Returns:
        A word.
    """
    return f"sunny in {city}"


@pytest.fixture(scope="module")
def url(servers: Callable[[str], Target]) -> str:
    """A server with a scripted model that calls tools."""
    models = {"scripted": 'aliases = ["llama3.2"]\ndialect = "hermes"'}
    return servers(scripted_manifest(models, enabled=("ollama", "hermes", "llguidance"))).url


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    """The synchronous client."""
    with Client(host=url) as made:
        yield made


@pytest.mark.parametrize("name", ["scripted", "llama3.2", "llama3.2:latest"])
def test_a_chat(client: Client, name: str) -> None:
    """The answer, why it ended, what it took; by any of the model's names."""
    answer = client.chat(model=name, messages=HELLO)
    assert (answer.model, answer.message.role, answer.message.content) == ("scripted", "assistant", TEXT)
    assert (answer.done, answer.done_reason) == (True, "stop")
    assert answer.eval_count == len(TEXT.encode()) + 1
    assert answer.total_duration
    assert answer.eval_duration is not None
    assert answer.prompt_eval_count


def test_a_streamed_chat(client: Client) -> None:
    """Line by line; the last one has the figures and no text."""
    *parts, last = client.chat(model="scripted", messages=HELLO, stream=True)
    assert "".join(part.message.content or "" for part in parts) == TEXT
    assert not any(part.done for part in parts)
    assert (last.done, last.done_reason, last.message.content) == (True, "stop", "")
    assert last.eval_count == len(TEXT.encode()) + 1


def test_options(client: Client) -> None:
    """A limit and a stop string."""
    answer = client.chat(model="scripted", messages=HELLO, options={"num_predict": 3, "num_ctx": 64, "seed": 7})
    assert (answer.message.content, answer.done_reason) == ("Hel", "length")
    answer = client.chat(model="scripted", messages=HELLO, options={"stop": [","]}, keep_alive="5m")
    assert (answer.message.content, answer.done_reason) == ("Hello", "stop")


def test_asynchronously(url: str) -> None:
    """Many at once, whole and streamed."""

    async def ask(client: AsyncClient, number: int) -> str:
        turns = [{"role": "user", "content": f"answer {number}"}]
        stream = await client.chat(model="scripted", messages=turns, stream=True)
        return "".join([part.message.content or "" async for part in stream])

    async def run() -> None:
        async with AsyncClient(host=url) as client:
            texts = await asyncio.gather(*(ask(client, number) for number in range(6)))
            assert texts == [f"answer {number}" for number in range(6)]
            answer = await client.generate(model="scripted", prompt=TEXT)
            assert answer.response == TEXT

    asyncio.run(run())


def test_a_completion(client: Client) -> None:
    """Through the model's template, or raw."""
    assert client.generate(model="scripted", prompt=TEXT, system="Be brief.").response == TEXT
    raw = client.generate(model="scripted", prompt="[say:on and on]", raw=True)
    assert (raw.response, raw.prompt_eval_count) == ("on and on", len("[say:on and on]"))
    *parts, last = client.generate(model="scripted", prompt=TEXT, stream=True)
    assert "".join(part.response or "" for part in parts) == TEXT
    assert last.done


def test_a_model_is_loaded_already(client: Client) -> None:
    """A request without a prompt asks for that; none can ask that it be unloaded."""
    answer = client.generate(model="scripted")
    assert (answer.response, answer.done, answer.done_reason) == ("", True, "load")
    with pytest.raises(ResponseError, match="models stay loaded here") as raised:
        client.generate(model="scripted", keep_alive=0)
    assert raised.value.status_code == 400


def test_a_call_and_its_result(client: Client) -> None:
    """A whole round, with the client's own objects and a Python function as a tool."""
    turns: list[dict[str, str] | Message] = [{"role": "user", "content": CALL}]
    streamed = [
        call
        for part in client.chat(model="scripted", messages=turns, tools=[weather], stream=True)
        for call in part.message.tool_calls or ()
    ]
    answer = client.chat(model="scripted", messages=turns, tools=[weather])
    assert answer.message.tool_calls is not None
    [call] = answer.message.tool_calls
    assert (call.function.name, call.function.arguments) == ("weather", {"city": "Zürich"})
    assert [each.function for each in streamed] == [call.function]
    turns += [answer.message, {"role": "tool", "tool_name": "weather", "content": weather("Zürich")}]
    turns.append({"role": "user", "content": "[say:Go out.]"})
    after = client.chat(model="scripted", messages=turns, tools=[weather])
    assert after.message.content == "Go out."


def test_an_answer_of_a_shape(client: Client) -> None:
    """By a schema, or just JSON."""
    turns = [{"role": "user", "content": '[say:{"kind": "cat", "age": 3}]'}]
    answer = client.chat(model="scripted", messages=turns, format=Pet.model_json_schema(), options={"num_predict": 100})
    assert isinstance(Pet.model_validate_json(answer.message.content or ""), Pet)
    some = client.generate(model="scripted", prompt="[say:{}]", format="json", options={"num_predict": 100})
    assert (some.response or "").startswith("{")


def test_log_probabilities(client: Client) -> None:
    """Of each token of the text."""
    answer = client.chat(model="scripted", messages=[{"role": "user", "content": "Hi"}], logprobs=True, top_logprobs=2)
    assert answer.logprobs is not None
    assert [entry.token for entry in answer.logprobs] == ["H", "i"]
    assert [len(entry.top_logprobs or ()) for entry in answer.logprobs] == [2, 2]


@pytest.mark.parametrize("think", [True, "high"])
def test_thoughts(think: bool | Literal["high"]) -> None:  # noqa: FBT001 -- pytest passes by name
    """They are apart from the text."""
    gateway = ScriptedGateway([Started(7, 64), ReasoningDelta("Hm.", 1), TextDelta("Yes.", 1), finished(2)])

    async def run() -> None:
        server = TestServer(serve_frontend(lambda port: OllamaFrontend(port, OllamaConfig()), gateway))
        async with server, AsyncClient(host=str(server.make_url("/"))) as client:
            whole = await client.chat(model="demo", messages=HELLO, think=think)
            assert (whole.message.thinking, whole.message.content) == ("Hm.", "Yes.")
            stream = await client.generate(model="demo", prompt="Is it?", think=think, stream=True)
            parts = [part async for part in stream]
            assert [part.thinking for part in parts] == ["Hm.", None, None]
            assert [part.response for part in parts] == ["", "Yes.", ""]

    asyncio.run(run())
    asked = getattr(gateway.requests[0].prompt, "thinking")  # noqa: B009 -- any kind of prompt
    assert (asked.enabled, asked.effort) == (True, None if think is True else "high")


def test_models(client: Client) -> None:
    """What there is, what runs, and what one of them is."""
    [listed] = client.list().models
    [running] = client.ps().models
    assert (listed.model, running.model) == ("scripted", "scripted")
    assert listed.digest == running.digest
    shown = client.show("scripted:latest")
    assert shown.capabilities is not None
    assert {"completion", "tools"} <= set(shown.capabilities)
    assert shown.template
    assert shown.details is not None
    assert shown.details.family
    assert shown.modelinfo is not None
    assert f"{shown.details.family}.context_length" in shown.modelinfo


def test_embeddings(servers: Callable[[str], Target]) -> None:
    """Of several texts, scaled to length 1; of one text, as it is."""
    manifest = scripted_manifest({"embedder": "matryoshka = true"}, plugin='tasks = ["embed"]', enabled=("ollama",))
    with Client(host=servers(manifest).url) as client:
        answer = client.embed(model="embedder", input=["good morning", "good night"])
        assert len(answer.embeddings) == 2
        assert sum(value * value for value in answer.embeddings[0]) == pytest.approx(1)
        assert len(client.embed(model="embedder", input="good morning", dimensions=4).embeddings[0]) == 4
        assert len(client.embeddings(model="embedder", prompt="good morning").embedding) == len(answer.embeddings[0])


def test_an_unknown_model_is_not_found(client: Client) -> None:
    """404, in Ollama's words, also of a stream."""
    with pytest.raises(ResponseError, match="model 'nobody' not found") as raised:
        client.chat(model="nobody", messages=HELLO)
    assert raised.value.status_code == 404
    with pytest.raises(ResponseError, match="model 'nobody' not found") as raised:
        list(client.chat(model="nobody", messages=HELLO, stream=True))
    assert raised.value.status_code == 404


def test_what_is_not_offered_is_refused(client: Client) -> None:
    """With what there is instead."""
    for ask in (client.pull, client.push, client.delete):
        with pytest.raises(ResponseError, match=r"plugins\.toml") as raised:
            ask("llama3.2")
        assert raised.value.status_code == 400
    with pytest.raises(ResponseError, match=r"plugins\.toml"):
        client.copy("a", "b")
    with pytest.raises(ResponseError, match=r"plugins\.toml"):
        client.create("a", from_="b")


def test_an_image_is_refused(client: Client) -> None:
    """By its place."""
    with pytest.raises(ResponseError, match=r"messages\[0\]\.images") as raised:
        client.chat(model="scripted", messages=[{"role": "user", "content": "what?", "images": ["aGk="]}])
    assert raised.value.status_code == 400


def test_a_failure_in_mid_stream_ends_the_iteration(client: Client) -> None:
    """What came before is there; then the client raises."""
    texts: list[str] = []
    stream = client.chat(model="scripted", messages=[{"role": "user", "content": "[say:Hello][fail:3]"}], stream=True)
    with pytest.raises(ResponseError):
        texts.extend(part.message.content or "" for part in stream)
    assert "".join(texts) == "Hel"
