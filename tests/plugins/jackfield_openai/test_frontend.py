"""The routes over HTTP, in front of a scripted gateway."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer

from jackfield.errors import HTTP, DeadlineExceeded, JackfieldError, QueueFull, WorkerDied, http
from jackfield.frontends.exchange import IGNORED_HEADER
from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.plugins import build_kernel
from jackfield.ports.backend import MemoryEstimate, ModelInfo
from jackfield.ports.frontend import ModelCard
from jackfield.testing.kits.scripted_gateway import CREATED, ScriptedGateway, answer, finished, serve_frontend
from jackfield.types import Started, TextDelta
from jackfield_openai.config import OpenAIConfig
from jackfield_openai.frontend import OpenAIFrontend
from jackfield_openai.models import model_object

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web

T = TypeVar("T")
Client: TypeAlias = "TestClient[web.Request, web.Application]"

CHAT = "/v1/chat/completions"
BODY: dict[str, object] = {"model": "default", "messages": [{"role": "user", "content": "hi"}]}


def with_client(
    gateway: ScriptedGateway, scenario: Callable[[Client], Awaitable[T]], config: OpenAIConfig | None = None
) -> T:
    """Run *scenario* against the frontend on a server of its own."""

    async def run() -> T:
        application = serve_frontend(lambda port: OpenAIFrontend(port, config or OpenAIConfig()), gateway)
        async with asyncio.timeout(30), TestClient(TestServer(application)) as client:
            return await scenario(client)

    return asyncio.run(run())


def ask(
    gateway: ScriptedGateway, config: OpenAIConfig | None = None, **fields: object
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers (names in lower case) and body of a chat with *fields*."""

    async def scenario(client: Client) -> tuple[int, dict[str, str], bytes]:
        response = await client.post(CHAT, json={**BODY, **fields})
        return response.status, {name.lower(): value for name, value in response.headers.items()}, await response.read()

    return with_client(gateway, scenario, config)


def get(path: str) -> tuple[int, dict[str, object]]:
    """Status and JSON body of a GET."""

    async def scenario(client: Client) -> tuple[int, dict[str, object]]:
        response = await client.get(path)
        return response.status, await response.json()

    return with_client(ScriptedGateway(), scenario)


DETAILS = (
    "tasks",
    "modalities",
    "architecture",
    "parameters",
    "quantisation",
    "size_bytes",
    "memory_bytes",
    "context_train",
    "vocabulary",
    "embedding_size",
    "n_experts",
    "n_experts_used",
)
UNKNOWN = dict.fromkeys(DETAILS)
DEMO = {
    "id": "demo",
    "object": "model",
    "created": CREATED,
    "owned_by": "jackfield",
    "type": "model",
    "display_name": "demo",
    "created_at": "2023-11-14T22:13:20Z",
    "max_input_tokens": 512,
    "aliases": ["default"],
    "ready": True,
    "context_length": 512,
    "description": "scripted",
    "capabilities": None,
    "tasks": ["generate", "embed", "rerank", "classify"],
    "modalities": ["text"],
    "architecture": "scripted",
    "parameters": 1000,
    "quantisation": "Q8_0",
    "size_bytes": 2000,
    "memory_bytes": None,
    "context_train": 1024,
    "vocabulary": 257,
    "embedding_size": 4,
    "n_experts": 0,
    "n_experts_used": 0,
}
LOADING: dict[str, object] = {
    "id": "org/loading",
    "object": "model",
    "created": CREATED,
    "owned_by": "jackfield",
    "type": "model",
    "display_name": "org/loading",
    "created_at": "2023-11-14T22:13:20Z",
    "max_input_tokens": None,
    "aliases": [],
    "ready": False,
    "context_length": None,
    "description": None,
    "capabilities": None,
    **UNKNOWN,
}


def test_the_list_of_models() -> None:
    """Every model under its own name, ready or not."""
    pages = {"has_more": False, "first_id": "demo", "last_id": "org/loading"}
    assert get("/v1/models") == (200, {"object": "list", "data": [DEMO, LOADING], **pages})


@pytest.mark.parametrize(
    ("path", "card"),
    [
        ("demo", DEMO),
        ("default", DEMO),
        ("org/loading", LOADING),
        ("org%2Floading", LOADING),
    ],
)
def test_one_model_by_name_or_alias(path: str, card: dict[str, object]) -> None:
    """Names may hold slashes, quoted or not."""
    assert get(f"/v1/models/{path}") == (200, card)


@pytest.mark.parametrize("path", ["nothing", "org", "demo/", "Demo", "%00", "x" * 3000])
def test_an_unknown_model_is_404(path: str) -> None:
    """With the code and param that OpenAI gives."""
    status, body = get(f"/v1/models/{path}")
    error = body["error"]
    assert isinstance(error, dict)
    assert (status, error["code"], error["param"]) == (404, "model_not_found", "model")
    assert len(error["message"]) < 200


def test_what_the_model_file_says() -> None:
    """Under the names that the kernel has for it, once a worker has loaded it."""
    info = ModelInfo(
        architecture="qwen2moe",
        title="a-file-name",
        description="qwen2moe 2M Q8_0",
        parameters=2_000_000,
        size_bytes=2_100_000,
        context_train=4096,
        vocabulary=151_936,
        tasks=("embed", "classify"),
        quantisation="Q8_0",
        modalities=("text", "image"),
        n_experts=8,
        n_experts_used=2,
        embedding_size=64,
        memory=MemoryEstimate(weights=1, kv=2, compute=4),
    )
    card = model_object(ModelCard(name="m", aliases=(), created=CREATED, ready=True, info=info))
    assert [card[name] for name in DETAILS] == [
        ("embed", "classify"),
        ("text", "image"),
        "qwen2moe",
        2_000_000,
        "Q8_0",
        2_100_000,
        7,
        4096,
        151_936,
        64,
        8,
        2,
    ]
    assert b"a-file-name" not in msgspec.json.encode(card)


def test_the_answer_names_the_model_that_an_alias_stands_for() -> None:
    """As OpenAI names the snapshot behind an alias."""
    status, headers, body = ask(ScriptedGateway())
    assert (status, headers["content-type"]) == (200, "application/json")
    assert msgspec.json.decode(body)["model"] == "demo"


def test_stream_headers() -> None:
    """Nothing between server and client may hold the stream back."""
    status, headers, _ = ask(ScriptedGateway(), stream=True)
    assert status == 200
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["cache-control"] == "no-store"
    assert headers["x-accel-buffering"] == "no"


def test_nothing_is_sent_before_the_first_text() -> None:
    """An accepted request is not yet an answer: its status waits for the first text, however long that takes."""
    first = asyncio.Event()
    gateway = ScriptedGateway([Started(7, 64), first, TextDelta("Hello", 1), finished(1)])

    async def scenario(client: Client) -> bytes:
        sending = asyncio.create_task(client.post(CHAT, json={**BODY, "stream": True}))
        while not gateway.open:  # noqa: ASYNC110 - polled under the scenario's deadline
            await asyncio.sleep(0.001)
        done, _ = await asyncio.wait([sending], timeout=0.05)
        assert not done
        first.set()
        return await (await sending).read()

    assert b"Hello" in with_client(gateway, scenario)


def test_each_text_is_sent_when_it_comes() -> None:
    """A stream is not collected."""
    more = asyncio.Event()
    gateway = ScriptedGateway([Started(7, 64), TextDelta("Hel", 1), more, TextDelta("lo", 1), finished(2)])

    async def scenario(client: Client) -> bytes:
        response = await client.post(CHAT, json={**BODY, "stream": True})
        early = await response.content.readuntil(b"Hel")
        more.set()
        return early + await response.read()

    assert with_client(gateway, scenario).endswith(b"data: [DONE]\n\n")


def test_a_silent_stream_gets_comments() -> None:
    """Proxies close what says nothing; a comment is no event."""
    more = asyncio.Event()
    gateway = ScriptedGateway([Started(7, 64), TextDelta("Hel", 1), more, TextDelta("lo", 1), finished(2)])

    async def scenario(client: Client) -> bytes:
        response = await client.post(CHAT, json={**BODY, "stream": True})
        early = await response.content.readuntil(b": keep-alive\n\n")
        early += await response.content.readuntil(b": keep-alive\n\n")
        more.set()
        return early + await response.read()

    body = with_client(gateway, scenario, OpenAIConfig(keepalive_s=0.05))
    assert body.count(b"data: ") == 5
    assert body.endswith(b"data: [DONE]\n\n")


def test_a_stream_that_waits_begins_with_a_comment() -> None:
    """In the queue too: status and headers go out with the first comment, the events follow as ever."""
    more = asyncio.Event()
    gateway = ScriptedGateway([more, Started(7, 64), TextDelta("Hello", 2), finished(2)])

    async def scenario(client: Client) -> bytes:
        response = await client.post(CHAT, json={**BODY, "stream": True})
        assert (response.status, response.content_type) == (200, "text/event-stream")
        early = await response.content.readuntil(b": keep-alive\n\n")
        assert b"data:" not in early
        more.set()
        return await response.read()

    body = with_client(gateway, scenario, OpenAIConfig(keepalive_s=0.05))
    assert b"Hello" in body
    assert body.endswith(b"data: [DONE]\n\n")


def test_a_refusal_after_the_first_comment_is_an_event() -> None:
    """The status is out; before that it is a status."""
    refused = asyncio.Event()
    gateway = ScriptedGateway([refused, DeadlineExceeded("the deadline passed in the queue")])

    async def scenario(client: Client) -> tuple[int, bytes]:
        response = await client.post(CHAT, json={**BODY, "stream": True})
        await response.content.readuntil(b": keep-alive\n\n")
        refused.set()
        return response.status, await response.read()

    status, body = with_client(gateway, scenario, OpenAIConfig(keepalive_s=0.05))
    last = body.rstrip().rpartition(b"data: ")[2]
    assert (status, msgspec.json.decode(last)["error"]["code"]) == (200, "deadline_exceeded")
    assert b"[DONE]" not in body
    status, _, body = ask(ScriptedGateway([DeadlineExceeded("the deadline passed in the queue")]), stream=True)
    assert (status, msgspec.json.decode(body)["error"]["code"]) == (408, "deadline_exceeded")


def test_a_busy_stream_gets_none() -> None:
    """Comments are for silence only."""
    _, _, body = ask(ScriptedGateway(answer(*"abcdef")), OpenAIConfig(keepalive_s=0.05), stream=True)
    assert b"keep-alive" not in body


def test_an_error_in_a_stream_is_its_last_event() -> None:
    """All four fields, nothing after it."""
    gateway = ScriptedGateway([Started(7, 64), TextDelta("Hel", 1), WorkerDied("the worker ended")])
    status, _, body = ask(gateway, stream=True)
    last = body.rstrip().rpartition(b"data: ")[2]
    assert status == 200
    assert msgspec.json.decode(last) == {
        "error": {"message": "the worker ended", "type": "server_error", "param": None, "code": "worker_died"}
    }


def test_an_unfinished_generation_is_an_error() -> None:
    """Should the gateway ever stop without a result, the client is told."""
    assert ask(ScriptedGateway([Started(7, 64)]))[0] == 500
    assert ask(ScriptedGateway([Started(7, 64), TextDelta("Hel", 1)]))[0] == 500
    _, _, body = ask(ScriptedGateway([Started(7, 64), TextDelta("Hel", 1)]), stream=True)
    assert b"internal_error" in body
    assert b"[DONE]" not in body


@pytest.mark.parametrize("kind", HTTP, ids=lambda kind: kind.__name__)
def test_errors_have_all_four_fields(kind: type[JackfieldError]) -> None:
    """``message``, ``type``, ``param`` and ``code``, as OpenAI's description requires."""
    error = kind("the reason", param="n")
    payload = OpenAIFrontend(ScriptedGateway(), OpenAIConfig()).render_error(error, "req-1")
    spec = http(error)
    assert payload.content_type == "application/json"
    assert msgspec.json.decode(payload.body) == {
        "error": {"message": "the reason", "type": spec.type, "param": "n", "code": spec.code}
    }


def test_a_full_queue_is_429() -> None:
    """Also for a stream that was asked for."""
    status, headers, body = ask(ScriptedGateway([QueueFull("too much work")]), stream=True)
    assert (status, headers["content-type"]) == (429, "application/json")
    assert msgspec.json.decode(body)["error"]["type"] == "rate_limit_error"


WARN = OpenAIConfig(unknown_fields="warn")


@pytest.mark.parametrize("stream", [False, True])
def test_left_out_fields_are_listed_in_a_header(stream: bool) -> None:  # noqa: FBT001 -- pytest passes by name
    """In mode ``warn``; a request that has none gets no header."""
    _, headers, _ = ask(ScriptedGateway(), WARN, stream=stream, zzz=1, verbosity="low")
    assert headers[IGNORED_HEADER] == "zzz,verbosity"
    assert IGNORED_HEADER not in ask(ScriptedGateway(), WARN, stream=stream)[1]


def test_the_header_is_safe_and_bounded() -> None:
    """The names are the client's: no line break, no other script, no end."""
    _, headers, _ = ask(ScriptedGateway(), WARN, **{"a\r\nset-cookie: x": 1, "ключ": 2, "a,b": 3})
    assert headers[IGNORED_HEADER] == "a%0D%0Aset-cookie%3A%20x,%D0%BA%D0%BB%D1%8E%D1%87,a%2Cb"
    _, headers, _ = ask(ScriptedGateway(), WARN, **{f"field_{number}": 1 for number in range(500)})
    assert headers[IGNORED_HEADER].count(",") == 20
    assert headers[IGNORED_HEADER].endswith(",...")


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ('application/json; charset="UTF-8"', 200),
        ("text/plain", 200),
        ("", 200),
        ("nonsense;;;=", 200),
        ("application/json; charset=utf-16", 400),
        ("application/json; charset=latin-1", 400),
    ],
)
def test_any_content_type_but_another_charset(content_type: str, status: int) -> None:
    """What counts is the body; one that says it is not UTF-8 would be misread."""

    async def scenario(client: Client) -> int:
        headers = {"Content-Type": content_type}
        response = await client.post(CHAT, data=msgspec.json.encode(BODY), headers=headers)
        return response.status

    assert with_client(ScriptedGateway(), scenario) == status


def test_the_plugin_hands_over_one_frontend_with_its_options() -> None:
    """Under the instance's name, through the hooks alone."""
    manifest = Manifest(
        enabled=(InstanceRef("edge", "openai"),), kernel=KernelConfig(), config={"edge": {"unknown_fields": "warn"}}
    )
    frontends = build_kernel(manifest).frontends()
    assert list(frontends) == ["edge"]
    frontend = frontends["edge"](ScriptedGateway())
    assert {route.path for route in frontend.routes()} >= {
        "/v1/models",
        "/v1/models/{id:.+}",
        CHAT,
        "/v1/completions",
        "/v1/embeddings",
    }
    assert isinstance(frontend, OpenAIFrontend)
    assert frontend._config == WARN


def test_who_asks_is_marked_for_the_log() -> None:
    """By a hash; the name itself is nowhere."""
    gateway = ScriptedGateway()
    ask(gateway, user="ann@example.org")
    ask(gateway, user="ann@example.org", safety_identifier="s-1")
    ask(gateway)
    marks = [context.user for context in gateway.contexts]
    assert [len(mark) for mark in marks] == [12, 12, 0]
    assert marks[0] != marks[1]
    assert "ann" not in marks[0]


@pytest.mark.parametrize("stream", [False, True])
def test_how_long_it_took(stream: bool) -> None:  # noqa: FBT001 -- pytest passes by name
    """OpenAI's header, in milliseconds."""
    _, headers, _ = ask(ScriptedGateway(), stream=stream)
    assert int(headers["openai-processing-ms"]) >= 0


def test_fields_can_be_left_out_without_a_word() -> None:
    """Mode ``ignore``; what would change the answer is refused all the same."""
    ignoring = OpenAIConfig(unknown_fields="ignore")
    status, headers, _ = ask(ScriptedGateway(), ignoring, zzz=1, verbosity="low")
    assert status == 200
    assert IGNORED_HEADER not in headers
    assert ask(ScriptedGateway(), ignoring, modalities=["audio"])[0] == 400


def test_a_tier_is_answered() -> None:
    """With the priority that goes with it."""
    gateway = ScriptedGateway()
    _, _, body = ask(gateway, service_tier="flex")
    assert msgspec.json.decode(body)["service_tier"] == "flex"
    assert gateway.requests[0].priority == 10
