"""``/v1/embeddings``: what is read, what is asked of the gateway, what is answered."""

from __future__ import annotations

import asyncio
import base64
import struct
from typing import TYPE_CHECKING

import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st
from openai.types import CreateEmbeddingResponse

from jackfield.errors import InvalidRequest, JackfieldError, UnsupportedField
from jackfield.frontends.exchange import IGNORED_HEADER
from jackfield.frontends.users import user_mark
from jackfield.pooled import Pooled, PoolRequest
from jackfield.testing.kits.frontend import HOSTILE_BODIES
from jackfield.testing.kits.scripted_gateway import VECTOR, ScriptedGateway, row, serve_frontend
from jackfield.types import TextPrompt, TokenPrompt
from jackfield_openai.config import OpenAIConfig
from jackfield_openai.decode import decode_embedding
from jackfield_openai.embeddings import SLICE_BYTES, embedding_slices
from jackfield_openai.frontend import OpenAIFrontend

if TYPE_CHECKING:
    from collections.abc import Mapping

BODY: dict[str, object] = {"model": "default", "input": "hi"}


def ask(
    gateway: ScriptedGateway, config: OpenAIConfig | None = None, /, **fields: object
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers (names in lower case) and body of a request with *fields*."""

    async def run() -> tuple[int, dict[str, str], bytes]:
        application = serve_frontend(lambda port: OpenAIFrontend(port, config or OpenAIConfig()), gateway)
        async with asyncio.timeout(30), TestClient(TestServer(application)) as client:
            response = await client.post("/v1/embeddings", json={**BODY, **fields})
            headers = {name.lower(): value for name, value in response.headers.items()}
            return response.status, headers, await response.read()

    return asyncio.run(run())


def asked(**fields: object) -> PoolRequest:
    """What the gateway is asked for a body with *fields*."""
    return decode_embedding(msgspec.json.encode({**BODY, **fields}), "strict").request


def encoded(pooled: Pooled, *, base64: bool = False) -> bytes:
    """The answer's body."""
    return b"".join(embedding_slices(pooled, "demo", base64=base64))


def test_an_answer() -> None:
    """The shape of the reference, whole, in the order of the inputs."""
    status, headers, body = ask(ScriptedGateway(), input=["a", "b"])
    assert (status, headers["content-type"]) == (200, "application/json")
    assert CreateEmbeddingResponse.model_validate_json(body, strict=True).model_extra == {}
    assert msgspec.json.decode(body) == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": list(VECTOR)},
            {"object": "embedding", "index": 1, "embedding": list(VECTOR)},
        ],
        "model": "demo",
        "usage": {"prompt_tokens": 14, "total_tokens": 14},
    }


def test_base64() -> None:
    """Little-endian float32, as the official client reads them."""
    _, _, body = ask(ScriptedGateway(), encoding_format="base64")
    [entry] = msgspec.json.decode(body)["data"]
    assert struct.unpack("<4f", base64.b64decode(entry["embedding"], validate=True)) == VECTOR


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, PoolRequest(model="default", task="embed", inputs=(TextPrompt("hi"),))),
        (
            {"input": [[1, 2], [3]], "dimensions": 2, "user": "u", "encoding_format": None},
            PoolRequest(model="default", task="embed", inputs=(TokenPrompt((1, 2)), TokenPrompt((3,))), dimensions=2),
        ),
        ({"input": [5, 6]}, PoolRequest(model="default", task="embed", inputs=(TokenPrompt((5, 6)),))),
    ],
)
def test_requests(fields: Mapping[str, object], expected: PoolRequest) -> None:
    """Every field arrives."""
    assert asked(**fields) == expected


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": None}, "input"),
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": ["a", ""]}, "input[1]"),
        ({"input": ["a", 1]}, "input[1]"),
        ({"input": [[1], []]}, "input[1]"),
        ({"input": ["a"] * 2049}, "input"),
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"dimensions": 0}, "dimensions"),
        ({"dimensions": -1}, "dimensions"),
        ({"dimensions": "64"}, "dimensions"),
        ({"dimensions": 2**31}, "dimensions"),
        ({"encoding_format": "int8"}, "encoding_format"),
        ({"encoding_format": 1}, "encoding_format"),
        ({"user": 1}, "user"),
        ({"inptu": "x"}, "inptu"),
    ],
)
def test_a_wrong_value_names_its_path(fields: Mapping[str, object], param: str) -> None:
    """400 with the path, and nothing was computed."""
    with pytest.raises(InvalidRequest) as refused:
        asked(**fields)
    assert refused.value.param == param
    gateway = ScriptedGateway()
    assert ask(gateway, **fields)[0] == 400
    assert not gateway.pool_requests


@pytest.mark.parametrize("body", HOSTILE_BODIES.values(), ids=list(HOSTILE_BODIES))
def test_hostile_bodies_are_refused(body: bytes) -> None:
    """As the kit has it for generations: the client's fault, said as such, and nothing was computed."""
    gateway = ScriptedGateway()

    async def run() -> int:
        application = serve_frontend(lambda port: OpenAIFrontend(port, OpenAIConfig()), gateway, body_limit=1 << 16)
        async with asyncio.timeout(30), TestClient(TestServer(application)) as client:
            return (await client.post("/v1/embeddings", data=body)).status

    assert 400 <= asyncio.run(run()) < 500
    assert not gateway.pool_requests


def test_a_model_that_cannot_embed_is_a_bad_request() -> None:
    """The gateway's own words reach the client."""
    gateway = ScriptedGateway()
    gateway.pool_script = [UnsupportedField("the model demo can generate, and not embed", param="model")]
    status, _, body = ask(gateway)
    error = msgspec.json.decode(body)["error"]
    assert (status, error["param"], error["code"]) == (400, "model", "unsupported_parameter")
    assert "can generate" in error["message"]


def test_left_out_fields_are_listed() -> None:
    """As for chats, in mode ``warn``."""
    _, headers, _ = ask(ScriptedGateway(), OpenAIConfig(unknown_fields="warn"), zzz=1)
    assert headers[IGNORED_HEADER] == "zzz"


def test_a_client_that_leaves_cancels_the_request() -> None:
    """The gateway's coroutine is cancelled."""
    gateway = ScriptedGateway()
    gateway.pool_script = [asyncio.Event()]

    async def run() -> None:
        application = serve_frontend(lambda port: OpenAIFrontend(port, OpenAIConfig()), gateway)
        async with asyncio.timeout(30), TestClient(TestServer(application)) as client:
            sending = asyncio.create_task(client.post("/v1/embeddings", json=BODY))
            while not gateway.open:  # noqa: ASYNC110 -- polled under the scenario's deadline
                await asyncio.sleep(0.001)
            sending.cancel()
            while gateway.open:  # noqa: ASYNC110 -- polled under the scenario's deadline
                await asyncio.sleep(0.001)

    asyncio.run(run())


floats = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(rows=st.lists(st.lists(floats, min_size=3, max_size=3), max_size=5))
def test_numbers_and_base64_are_the_same(rows: list[list[float]]) -> None:
    """Float32 for float32, to the last bit."""
    pooled = Pooled(tuple(row(*each) for each in rows), 3)
    numbers = msgspec.json.decode(encoded(pooled))["data"]
    texts = msgspec.json.decode(encoded(pooled, base64=True))["data"]
    assert [entry["embedding"] for entry in numbers] == rows
    assert [list(struct.unpack("<3f", base64.b64decode(entry["embedding"]))) for entry in texts] == rows
    assert [entry["index"] for entry in numbers] == list(range(len(rows)))


@pytest.mark.parametrize("encoding_format", ["float", "base64"])
def test_many_vectors_are_sent_in_slices(encoding_format: str) -> None:
    """Each a bounded amount of work, so that streams go on between them; together they are one answer."""
    width, rows = 384, 512
    gateway = ScriptedGateway()
    gateway.pool_script = [Pooled((row(*[0.125] * width),) * rows, 1)]
    status, headers, body = ask(gateway, encoding_format=encoding_format)
    assert (status, headers["content-type"]) == (200, "application/json")
    assert headers["transfer-encoding"] == "chunked"
    assert [entry["index"] for entry in msgspec.json.decode(body)["data"]] == list(range(rows))


@pytest.mark.parametrize("rows", [1, 2, 1000])
def test_a_slice_is_bounded(rows: int) -> None:
    """By a row more than the bound."""
    width = 384
    vectors = Pooled((row(*[0.1] * width),) * rows, 1)
    slices = list(embedding_slices(vectors, "demo", base64=True))
    assert len(slices) >= rows * width * 4 // (SLICE_BYTES + width * 4)
    assert max(map(len, slices)) < 1.5 * (SLICE_BYTES + width * 4)


@pytest.mark.parametrize("error", [JackfieldError("the reason")])
def test_a_failure_is_a_status(error: JackfieldError) -> None:
    """Nothing was sent before."""
    gateway = ScriptedGateway()
    gateway.pool_script = [error]
    status, _, body = ask(gateway)
    assert status == 500
    assert b"the reason" in body


def test_who_asks_and_how_long_it_took() -> None:
    """As of every other answer."""
    gateway = ScriptedGateway()
    _, headers, _ = ask(gateway, user="ann")
    assert int(headers["openai-processing-ms"]) >= 0
    assert [context.user for context in gateway.contexts] == [user_mark("ann")]
