"""The routes over HTTP, in front of a scripted gateway."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer

from jackfield.errors import JackfieldError, LimitExceeded, PolicyDenied, PolicyUnavailable, UnsupportedField, http
from jackfield.pooled import Pooled
from jackfield.testing.kits.scripted_gateway import VECTOR, ScriptedGateway, finished, row, serve_frontend
from jackfield.types import Started, TextDelta
from jackfield_ollama.config import OllamaConfig
from jackfield_ollama.errors import error_body
from jackfield_ollama.frontend import OllamaFrontend

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web

T = TypeVar("T")
Client: TypeAlias = "TestClient[web.Request, web.Application]"

BODY = {"model": "demo", "messages": [{"role": "user", "content": "hi"}]}


def with_client(
    scenario: Callable[[Client], Awaitable[T]],
    gateway: ScriptedGateway | None = None,
    config: OllamaConfig | None = None,
) -> T:
    """Run *scenario* against the frontend on a server of its own."""

    async def run() -> T:
        application = serve_frontend(
            lambda port: OllamaFrontend(port, config or OllamaConfig()), gateway or ScriptedGateway()
        )
        async with asyncio.timeout(30), TestClient(TestServer(application)) as client:
            return await scenario(client)

    return asyncio.run(run())


def get(path: str, config: OllamaConfig | None = None) -> tuple[int, bytes]:
    """Status and body."""

    async def scenario(client: Client) -> tuple[int, bytes]:
        response = await client.get(path)
        return response.status, await response.read()

    return with_client(scenario, config=config)


def post(path: str, body: object, gateway: ScriptedGateway | None = None) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body."""
    return with_client(lambda client: answered(client, path, body), gateway)


async def answered(client: Client, path: str, body: object) -> tuple[int, dict[str, str], bytes]:
    """The same, of *client*."""
    response = await client.post(path, json=body)
    return response.status, dict(response.headers), await response.read()


def test_what_clients_probe() -> None:
    """A greeting and a version."""
    assert get("/") == (200, b"Ollama is running")
    assert get("/api/version", OllamaConfig(version="1.2.3")) == (200, b'{"version":"1.2.3"}')


def test_lists_of_models() -> None:
    """Every one, and those that are ready."""
    names = [
        [model["name"] for model in msgspec.json.decode(get(path)[1])["models"]] for path in ("/api/tags", "/api/ps")
    ]
    assert names == [["demo", "org/loading"], ["demo"]]


def test_a_stream_of_lines() -> None:
    """Under the media type of such streams, and what proxies must know."""
    status, headers, body = post("/api/chat", BODY)
    assert (status, headers["Content-Type"], headers["X-Accel-Buffering"]) == (200, "application/x-ndjson", "no")
    assert [msgspec.json.decode(line)["done"] for line in body.splitlines()] == [False, True]


def test_silence_is_filled_with_what_readers_skip() -> None:
    """Each line is still JSON."""
    first, more = asyncio.Event(), asyncio.Event()
    gateway = ScriptedGateway([first, Started(7, 64), TextDelta("Hel", 1), more, TextDelta("lo", 1), finished(2)])

    async def scenario(client: Client) -> bytes:
        response = await client.post("/api/chat", json=BODY)
        early = await response.content.readexactly(1)
        first.set()
        early += await response.content.readuntil(b"\n")
        early += await response.content.readexactly(2)
        more.set()
        return early + await response.read()

    body = with_client(scenario, gateway, OllamaConfig(keepalive_s=0.05))
    assert body.startswith(b" ")
    texts = [msgspec.json.decode(line)["message"]["content"] for line in body.splitlines()]
    assert texts == ["Hel", "lo", ""]


def test_what_was_left_out_is_listed() -> None:
    """In a header."""
    status, headers, _ = post("/api/chat", {**BODY, "options": {"num_gpu": 1}, "frob\nnicate": 1})
    assert status == 200
    assert headers["x-jackfield-ignored"] == "frob%0Anicate,options.num_gpu"


def test_embeddings() -> None:
    """Of many inputs, in slices; of none, none."""

    async def scenario(client: Client) -> bytes:
        response = await client.post("/api/embed", json={"model": "demo", "input": ["a"] * 100})
        return await response.read()

    gateway = ScriptedGateway()
    gateway.pool_script = [Pooled((row(*VECTOR * 100),) * 100, 700)]
    answer = msgspec.json.decode(with_client(scenario, gateway))
    assert answer["embeddings"] == [list(VECTOR) * 100] * 100
    assert (answer["model"], answer["prompt_eval_count"]) == ("demo", 700)
    assert msgspec.json.decode(post("/api/embed", {"model": "demo"})[2])["embeddings"] == []
    assert post("/api/embeddings", {"model": "demo", "prompt": "a"})[2] == b'{"embedding":[0.5,-0.5,0.5,-0.5]}'
    assert post("/api/embeddings", {"model": "demo"})[2] == b'{"embedding":[]}'


EMPTY: dict[str, dict[str, object]] = {
    "/api/chat": {"messages": []},
    "/api/generate": {"prompt": ""},
    "/api/embed": {"input": []},
    "/api/embeddings": {},
}
"""Bodies that ask nothing of a model but to be there."""


@pytest.mark.parametrize("path", EMPTY)
@pytest.mark.parametrize("more", [{}, {"keep_alive": "5m"}, {"stream": False}], ids=repr)
def test_who_wants_a_model_loaded_is_asked_about(path: str, more: dict[str, object]) -> None:
    """By its own name, and once; it has no work."""
    gateway = ScriptedGateway()
    status, _, body = post(path, {"model": "demo:latest", **EMPTY[path], **more}, gateway)
    assert (status, gateway.reached) == (200, ["demo"])
    assert not gateway.requests
    assert not gateway.pool_requests
    if path in {"/api/chat", "/api/generate"}:
        assert msgspec.json.decode(body)["done_reason"] == "load"


@pytest.mark.parametrize("path", EMPTY)
@pytest.mark.parametrize("keep", [0, "5m"])
@pytest.mark.parametrize("error", [PolicyDenied("house rules"), PolicyUnavailable("later"), LimitExceeded("too many")])
def test_who_may_not_have_it_is_told_so(path: str, keep: object, error: JackfieldError) -> None:
    """As Ollama's clients expect it; whether models can be unloaded is not even said."""
    gateway = ScriptedGateway()
    gateway.replies = [error]
    body = {"model": "demo", **EMPTY[path], "keep_alive": keep}
    status, _, said = with_client(
        lambda client: answered(client, path, body), gateway, OllamaConfig(unknown_fields="ignore")
    )
    assert (status, msgspec.json.decode(said)) == (http(error).status, {"error": error.message})
    assert gateway.reached == ["demo"]


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
def test_who_wants_a_model_unloaded_is_asked_about(path: str) -> None:
    """And told then that models stay."""
    gateway = ScriptedGateway()
    status, _, body = post(path, {"model": "demo", **EMPTY[path], "keep_alive": 0}, gateway)
    assert (status, gateway.reached) == (400, ["demo"])
    assert b"models stay loaded here" in body


@pytest.mark.parametrize("path", ["/api/pull", "/api/push", "/api/create", "/api/copy", "/api/blobs/sha256:0"])
def test_what_is_not_offered_is_refused(path: str) -> None:
    """With what there is instead, whatever the body says."""
    status, _, body = post(path, {"model": "x", "insecure": True})
    assert status == 400
    assert b"plugins.toml" in body


def test_an_error_is_a_text() -> None:
    """As Ollama's clients expect it."""
    status, _, body = post("/api/show", {"model": "nobody"})
    assert (status, msgspec.json.decode(body)) == (404, {"error": "model 'nobody' not found"})


def test_an_error_names_the_field() -> None:
    """There is no other place for it."""
    error = UnsupportedField("models stay loaded here", param="keep_alive")
    assert msgspec.json.decode(error_body(error)) == {"error": "keep_alive: models stay loaded here"}


def test_an_answer_without_an_end_is_an_error() -> None:
    """No line may say that it is done."""
    _, _, body = post("/api/chat", BODY, ScriptedGateway([Started(7, 64), TextDelta("Hel", 1)]))
    *_, last = body.splitlines()
    assert msgspec.json.decode(last).keys() == {"error"}


SAID = "to joe@example.com"
SENDING = {
    "name": "send",
    "description": SAID,
    "parameters": {"type": "object", "properties": {"to": {"enum": [SAID]}}},
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/api/generate", {"prompt": SAID, "system": SAID}),
        ("/api/chat", {"messages": [{"role": "user", "content": SAID}]}),
        ("/api/chat", {"messages": BODY["messages"], "tools": [{"type": "function", "function": SENDING}]}),
        ("/api/chat", {"messages": BODY["messages"], "format": {"type": "object", "title": SAID}}),
    ],
    ids=["prompt", "messages", "tools", "format"],
)
def test_answers_repeat_nothing_of_what_was_asked(path: str, asked: dict[str, object], *, stream: bool) -> None:
    """So there is nothing in them that guardrails could have masked."""
    status, _, body = post(path, {"model": "demo", "stream": stream, **asked})
    assert (status, b"Hello" in body, b"joe" in body) == (200, True, False)
