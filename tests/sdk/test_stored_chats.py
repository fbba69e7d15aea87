"""Stored chats through the official client, and what its answers say of the server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import openai
import pytest
from openai import OpenAI

from jackfield.testing.manifests import scripted_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from openai.types.chat import ChatCompletionMessageParam

    from jackfield.testing.target import Target

INFILL: Final = Path(__file__).parents[1] / "fixtures" / "infill.gguf"
HELLO: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "[say:Hello]"}]},
]


@pytest.fixture
def keeping(servers: Callable[[str], Target]) -> Iterator[OpenAI]:
    """A client of a scripted model that keeps what it is asked to."""
    manifest = scripted_manifest({"scripted": 'aliases = ["default"]\nmax_sequences = 3'}, enabled=("sqlite",))
    with OpenAI(base_url=servers(manifest).url + "/v1", api_key="none", max_retries=0) as made:
        yield made


def test_a_stored_chat(keeping: OpenAI) -> None:
    """Made, found, listed, changed, deleted."""
    chats = keeping.chat.completions
    made = chats.create(model="default", messages=HELLO, store=True, metadata={"test": "stored", "kind": "whole"})
    assert chats.retrieve(made.id).choices == made.choices
    assert [each.id for each in chats.list(model="scripted", metadata={"test": "stored", "kind": "whole"})] == [made.id]
    assert list(chats.list(metadata={"test": "other"})) == []
    system, user = chats.messages.list(made.id)
    assert (system.role, system.content, user.role) == ("system", "Be brief.", "user")
    assert user.content_parts is not None
    assert user.content_parts[0].type == "text"
    assert chats.update(made.id, metadata={"test": "changed"}).choices == made.choices
    assert [each.id for each in chats.list(metadata={"test": "changed"})] == [made.id]
    assert chats.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        chats.retrieve(made.id)


def test_a_streamed_chat_is_stored(keeping: OpenAI) -> None:
    """As the client put it together."""
    with keeping.chat.completions.stream(
        model="default", messages=HELLO, store=True, stream_options={"include_usage": True}
    ) as stream:
        made = stream.get_final_completion()
    kept = keeping.chat.completions.retrieve(made.id)
    assert kept.choices[0].message.content == made.choices[0].message.content == "Hello"
    assert kept.usage is not None
    assert made.usage is not None
    assert kept.usage.total_tokens == made.usage.total_tokens


def test_many_are_listed_in_pages(keeping: OpenAI) -> None:
    """The client asks for the next page by itself."""
    chats = keeping.chat.completions
    made = [chats.create(model="default", messages=HELLO, store=True, metadata={"test": "pages"}).id for _ in range(5)]
    assert [each.id for each in chats.list(metadata={"test": "pages"}, limit=2)] == made
    assert [each.id for each in chats.list(metadata={"test": "pages"}, limit=2, order="desc")] == made[::-1]


def test_without_a_store_nothing_is_kept(client: OpenAI) -> None:
    """And a client is not left to believe that it is."""
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="default", messages=HELLO, store=True)
    assert refused.value.param == "store"


def test_headers_of_room_and_time(keeping: OpenAI) -> None:
    """Of whole answers, streams and refusals."""
    whole = keeping.chat.completions.with_raw_response.create(model="default", messages=HELLO)
    assert int(whole.headers["x-ratelimit-remaining-requests"]) == int(whole.headers["x-ratelimit-limit-requests"]) - 1
    assert whole.headers["x-ratelimit-reset-requests"].endswith("s")
    assert "x-ratelimit-limit-tokens" not in whole.headers
    with keeping.chat.completions.with_streaming_response.create(
        model="default", messages=HELLO, stream=True
    ) as streamed:
        assert int(streamed.headers["openai-processing-ms"]) >= 0
        assert "x-ratelimit-limit-requests" in streamed.headers
        assert streamed.headers["server-timing"].startswith("total;dur=")


def test_a_full_server_says_what_room_it_has(client: OpenAI) -> None:
    """None, and when there will be some."""
    body: list[ChatCompletionMessageParam] = [{"role": "user", "content": "[delay:20][repeat:200:a]"}]
    with client.chat.completions.create(model="narrow", messages=body, stream=True) as stream:
        next(iter(stream))
        with pytest.raises(openai.RateLimitError) as refused:
            client.chat.completions.create(model="narrow", messages=HELLO)
    headers = refused.value.response.headers
    assert (headers["x-ratelimit-limit-requests"], headers["x-ratelimit-remaining-requests"]) == ("1", "0")
    assert headers["x-ratelimit-reset-requests"].endswith("s")
    assert headers["x-ratelimit-reset-requests"] != "0ms"


def test_a_gap_is_filled(servers: Callable[[str], Target]) -> None:
    """By a model that was trained for it; tokens are no gap."""
    pytest.importorskip("llama_cpp")
    manifest = f'enabled = ["llama-cpu", "openai"]\n[models.infill]\nsource = {json.dumps(str(INFILL))}\n'
    with OpenAI(base_url=servers(manifest).url + "/v1", api_key="none", max_retries=0) as client:
        filled = client.completions.create(model="infill", prompt="def f(", suffix="):", max_tokens=4, seed=1)
        assert filled.usage is not None
        assert filled.usage.prompt_tokens > len("def f(") // 4
        with pytest.raises(openai.BadRequestError) as refused:
            client.completions.create(model="infill", prompt=[1, 2], suffix="):")
        assert refused.value.param == "suffix"
        with pytest.raises(openai.BadRequestError) as refused:
            client.completions.create(model="infill", prompt="a", suffix="b", echo=True)
        assert refused.value.param == "echo"
