"""Embeddings of a real model through the official client, synchronous and asynchronous."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Final

import openai
import pytest

from jackfield.testing.manifests import DEMO_PLUGINS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jackfield.testing.target import Target

FIXTURES: Final = Path(__file__).parents[1] / "fixtures"
WIDTH: Final = 32
"""Components of the fixture's vectors."""
CONTEXT: Final = 128
"""Longest input of the fixture, in tokens."""

MANIFEST: Final = f"""\
enabled = {json.dumps(DEMO_PLUGINS)}

[config.llama-cpu]
threads = 1

[models.embedder]
matryoshka = true
source = {json.dumps(str(FIXTURES / "embedding.gguf"))}
aliases = ["text-embedding-3-small"]

[models.plain]
source = {json.dumps(str(FIXTURES / "embedding.gguf"))}

[models.demo]
source = "jackfield:demo"
"""


@pytest.fixture(scope="module")
def base_url(servers: Callable[[str], Target]) -> str:
    """Root of the API of a server with a model that embeds and one that chats."""
    pytest.importorskip("llama_cpp")
    return servers(MANIFEST).url + "/v1"


@pytest.fixture
def client(base_url: str) -> Iterator[openai.OpenAI]:
    """The synchronous client."""
    with openai.OpenAI(base_url=base_url, api_key="none", max_retries=0) as made:
        yield made


def length(vector: list[float]) -> float:
    """Euclidean."""
    return math.hypot(*vector)


def test_what_the_client_asks_by_default(client: openai.OpenAI) -> None:
    """It asks for base64 and hands out numbers."""
    answer = client.embeddings.create(model="text-embedding-3-small", input="good morning")
    assert (answer.object, answer.model) == ("list", "embedder")
    [entry] = answer.data
    assert (entry.object, entry.index, len(entry.embedding)) == ("embedding", 0, WIDTH)
    assert length(entry.embedding) == pytest.approx(1, abs=1e-5)
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 2


def test_both_encodings_are_one_vector(client: openai.OpenAI) -> None:
    """Number for number."""
    coded = client.embeddings.create(model="embedder", input="good morning")
    plain = client.embeddings.create(model="embedder", input="good morning", encoding_format="float")
    assert coded.data[0].embedding == plain.data[0].embedding


def test_a_batch_is_its_inputs(client: openai.OpenAI) -> None:
    """In their order, each as if it had been alone."""
    texts = ["good morning", "a", "the quick brown fox", "good morning"]
    batch = client.embeddings.create(model="embedder", input=texts)
    assert [entry.index for entry in batch.data] == [0, 1, 2, 3]
    for text, entry in zip(texts, batch.data, strict=True):
        alone = client.embeddings.create(model="embedder", input=text).data[0].embedding
        assert entry.embedding == pytest.approx(alone, abs=1e-5)
    assert batch.data[0].embedding != batch.data[2].embedding


def test_a_large_batch(client: openai.OpenAI) -> None:
    """More inputs than one call of the model takes, and than one slice of the answer holds."""
    texts = [f"text {number}" for number in range(300)]
    batch = client.embeddings.create(model="embedder", input=texts, encoding_format="float")
    assert [entry.index for entry in batch.data] == list(range(300))
    assert all(length(entry.embedding) == pytest.approx(1, abs=1e-5) for entry in batch.data)


def test_tokens(client: openai.OpenAI) -> None:
    """Token ids are used as they are, alone and in arrays of arrays."""
    one = client.embeddings.create(model="embedder", input=[5, 6, 7])
    several = client.embeddings.create(model="embedder", input=[[5, 6, 7], [8]])
    assert one.usage.prompt_tokens == 3
    assert several.usage.prompt_tokens == 4
    assert several.data[0].embedding == pytest.approx(one.data[0].embedding, abs=1e-5)


def test_fewer_dimensions(client: openai.OpenAI) -> None:
    """The leading components, scaled to length 1 again."""
    whole = client.embeddings.create(model="embedder", input="good morning").data[0].embedding
    cut = client.embeddings.create(model="embedder", input="good morning", dimensions=8).data[0].embedding
    leading = whole[:8]
    assert cut == pytest.approx([each / length(leading) for each in leading], abs=1e-5)


def test_asynchronously(base_url: str) -> None:
    """Many at once."""

    async def run() -> None:
        async with openai.AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0) as client, asyncio.timeout(30):
            answers = await asyncio.gather(
                *(client.embeddings.create(model="embedder", input=f"text {number}") for number in range(8))
            )
        assert all(length(answer.data[0].embedding) == pytest.approx(1, abs=1e-5) for answer in answers)
        assert len({tuple(answer.data[0].embedding) for answer in answers}) == 8

    asyncio.run(run())


@pytest.mark.parametrize(
    ("inputs", "param", "code"),
    [
        ("", "input", "invalid_value"),
        ([], "input", "invalid_value"),
        (["a", ""], "input[1]", "invalid_value"),
        ([[1], []], "input[1]", "invalid_value"),
        (["a"] * 2049, "input", "invalid_value"),
        ([10**6], "input[0]", "invalid_value"),
        ([[5], [5, 10**6]], "input[1]", "invalid_value"),
        ("word " * 4 * CONTEXT, "input", "context_length_exceeded"),
        (["a", "word " * 4 * CONTEXT], "input[1]", "context_length_exceeded"),
        ([[5] * (CONTEXT + 1)], "input", "context_length_exceeded"),
    ],
)
def test_inputs_that_are_refused(
    client: openai.OpenAI, inputs: str | list[str] | list[int] | list[list[int]], param: str, code: str
) -> None:
    """By their place, before the model sees them."""
    with pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(model="embedder", input=inputs)
    assert refused.value.code == code
    assert refused.value.param is not None
    assert refused.value.param.startswith(param)


def test_vectors_that_are_not_scaled(client: openai.OpenAI) -> None:
    """As the model makes them, in the same direction."""
    scaled = client.embeddings.create(model="embedder", input="good morning").data[0].embedding
    plain = client.embeddings.create(model="embedder", input="good morning", extra_body={"normalize": False})
    vector = plain.data[0].embedding
    assert length(vector) != pytest.approx(1, abs=1e-3)
    assert scaled == pytest.approx([each / length(vector) for each in vector], abs=1e-5)


def test_vectors_that_cannot_be_shortened(client: openai.OpenAI) -> None:
    """All of their components may be asked for by number."""
    whole = client.embeddings.create(model="plain", input="x", dimensions=WIDTH).data[0].embedding
    assert whole == pytest.approx(client.embeddings.create(model="plain", input="x").data[0].embedding, abs=1e-5)
    with pytest.raises(openai.BadRequestError, match="matryoshka") as refused:
        client.embeddings.create(model="plain", input="x", dimensions=8)
    assert refused.value.param == "dimensions"


def test_more_dimensions_than_there_are(client: openai.OpenAI) -> None:
    """Nothing is made up."""
    with pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(model="embedder", input="x", dimensions=WIDTH + 1)
    assert refused.value.param == "dimensions"


def test_each_model_does_what_it_can(client: openai.OpenAI) -> None:
    """And says so where it cannot; the list of models says it beforehand."""
    with pytest.raises(openai.BadRequestError, match="embed") as refused:
        client.embeddings.create(model="demo", input="x")
    assert (refused.value.param, refused.value.code) == ("model", "unsupported_parameter")
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="embedder", messages=[{"role": "user", "content": "x"}])
    assert (refused.value.param, refused.value.code) == ("model", "unsupported_parameter")
    tasks = {model.id: (model.model_extra or {})["tasks"] for model in client.models.list()}
    assert tasks["demo"] == ["generate"]
    assert "embed" in tasks["embedder"]
