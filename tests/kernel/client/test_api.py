"""The client of chat and bench: what it sends, and that no server, however broken, gives more than a clear error."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

import pytest

from jackfield.client.api import AnswerEnd, AnswerText, ApiClient, ChatRequest, ChatTurn, Usage
from jackfield.client.connection import ApiError, base_url
from jackfield.client.trust import protection
from jackfield.testing.authority import Authority
from jackfield.testing.manifests import scripted_manifest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from jackfield.client.api import AnswerEvent
    from jackfield.testing.background import BackgroundLoop
    from jackfield.testing.target import Target

    Servers: TypeAlias = "Callable[[str], Target]"

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
CHUNK = b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}\n\n'


def question(text: str, model: str = "scripted", max_tokens: int | None = None) -> ChatRequest:
    return ChatRequest(model=model, messages=(ChatTurn("user", text),), max_tokens=max_tokens)


async def answer(url: str, request: ChatRequest) -> list[AnswerEvent]:
    async with ApiClient(url) as client, aclosing(client.chat(request)) as events:
        return [event async for event in events]


@asynccontextmanager
async def server_that_says(raw: bytes, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server that sends *raw* to whatever is asked, and hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def failure(raw: bytes) -> ApiError:
    async with server_that_says(raw) as url:
        with pytest.raises(ApiError) as caught:
            await answer(url, question("x"))
        return caught.value


def test_a_server_that_wants_a_key_says_how_it_is_given(background: BackgroundLoop) -> None:
    """In the command's words; with a key that is refused, in the server's."""
    body = b'{"error":{"message":"unknown key","code":"invalid_api_key"}}'
    raw = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body)
    error = background.run(failure(raw))
    assert error.status == 401
    assert "needs an API key: --key-file FILE" in error.message

    async def with_a_key() -> list[str]:
        async with server_that_says(raw) as url, ApiClient(url, "jf_x") as client:
            return await client.models()

    with pytest.raises(ApiError, match="unknown key"):
        background.run(with_a_key())


def test_certificates_are_checked(tmp_path: Path, background: BackgroundLoop) -> None:
    """Against the authorities that are given; what to do is said in the command's words."""
    authority = Authority(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority.server())
    body = b'{"data":[{"id":"demo"}]}'
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body)

    async def models(ca: Path | None, scheme: str = "https", own: ssl.SSLContext | None = context) -> list[str]:
        tls = protection(ca, None, None)
        async with server_that_says(raw, own) as url, ApiClient(url.replace("http", scheme, 1), None, tls) as client:
            return await client.models()

    async def with_a_stranger() -> None:
        def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"SSH-2.0-OpenSSH\r\n")
            writer.close()

        server = await asyncio.start_server(greet, "127.0.0.1", 0)
        async with server, ApiClient(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}") as client:
            await client.models()

    assert background.run(models(authority.file)) == ["demo"]
    for other in (None, Authority(tmp_path, "another authority").file):
        with pytest.raises(ApiError, match=r"cannot be trusted \(.*\); .* with: --ca FILE"):
            background.run(models(other))
    with pytest.raises(ApiError, match="is it https://"):
        background.run(models(None, "http"))
    with pytest.raises(ApiError, match=r"does not speak TLS as it should .* is it http://"):
        background.run(with_a_stranger())
    (tmp_path / "no.pem").write_text("no")
    with pytest.raises(ApiError, match=r"no\.pem has no certificate"):
        protection(tmp_path / "no.pem", None, None)


def test_an_answer_arrives_in_parts(servers: Servers, background: BackgroundLoop) -> None:
    """Texts first, then the reason and the usage."""
    url = servers(scripted_manifest()).url
    *texts, end = background.run(answer(url, question("[say:hello]", max_tokens=50)))
    assert "".join(event.text for event in texts if isinstance(event, AnswerText)) == "hello"
    assert isinstance(end, AnswerEnd)
    assert end.finish_reason == "stop"
    assert end.usage is not None
    assert end.usage.completion_tokens == len("hello") + 1


def test_models_are_listed(servers: Servers, background: BackgroundLoop) -> None:
    """By name, in the server's order."""

    async def names(url: str) -> list[str]:
        async with ApiClient(url) as client:
            return await client.models()

    assert background.run(names(servers(scripted_manifest()).url + "/v1/")) == ["scripted"]


def test_a_refusal_has_status_and_code(servers: Servers, background: BackgroundLoop) -> None:
    """As the server gave them."""
    url = servers(scripted_manifest()).url
    with pytest.raises(ApiError, match="does not exist") as caught:
        background.run(answer(url, question("x", model="nope")))
    assert (caught.value.status, caught.value.code) == (404, "model_not_found")


def test_an_error_inside_the_stream_is_an_error(servers: Servers, background: BackgroundLoop) -> None:
    """After the first texts."""
    url = servers(scripted_manifest()).url
    with pytest.raises(ApiError) as caught:
        background.run(answer(url, question("[fail:3]abcdef")))
    assert caught.value.code == "backend_fault"


def test_nobody_there(background: BackgroundLoop) -> None:
    """The message says what to do."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # bound and not listening: the port stays ours, and connections are refused
        with pytest.raises(ApiError, match=r"no server answers at .*jackfield serve"):
            background.run(answer(f"127.0.0.1:{silent.getsockname()[1]}", question("x")))


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        pytest.param(b"", "hung up without an answer", id="hangs up"),
        pytest.param(b"SSH-2.0-OpenSSH\r\n", "connection to .* broke", id="another protocol"),
        pytest.param(HEAD, "broke off", id="empty stream"),
        pytest.param(HEAD + CHUNK, "broke off", id="no end"),
        pytest.param(HEAD + b"data: {\n\n", "cannot be read", id="no JSON"),
        pytest.param(HEAD + b'data: {"choices":1}\n\n', "cannot be read", id="another shape"),
        pytest.param(HEAD + b"data: \xff\n\n", "cannot be read", id="no UTF-8"),
        pytest.param(HEAD + CHUNK + b'data: {"error":{"message":"boom","code":7}}\n\n', "boom", id="error event"),
        pytest.param(HEAD + b'data: {"error":"boom"}\n\n', "boom", id="error text"),
        pytest.param(
            b"HTTP/1.1 502 Bad\r\nContent-Length: 9\r\nConnection: close\r\n\r\n<h1>\x1b[2J\n",
            r"answered 502: <h1>\[2J",
            id="page of a proxy",
        ),
    ],
)
def test_broken_servers(background: BackgroundLoop, raw: bytes, message: str) -> None:
    """Each is an ``ApiError`` with words for a person, and nothing that acts on a terminal."""
    error = background.run(failure(raw))
    assert error.message.isprintable()
    with pytest.raises(ApiError, match=message):
        raise error


def test_servers_without_usage_and_with_other_fields(background: BackgroundLoop) -> None:
    """Unknown fields of events and objects are let pass, as other servers have them."""

    async def run() -> list[AnswerEvent]:
        raw = HEAD + b"time: 1\n\n" + CHUNK[:-3] + b',"x":1}\n\ndata: [DONE]\n\n'
        async with server_that_says(raw) as url:
            return await answer(url, question("x"))

    assert background.run(run()) == [AnswerText("a"), AnswerEnd(None, None)]


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://h/", "http://h"),
        ("https://h/v1/", "https://h"),
        ("http://h/base/v1", "http://h/base"),
        ("http://[::1]:80/?q#f", "http://[::1]:80"),
        ("HTTPS://h/v1", "https://h"),
    ],
)
def test_addresses(typed: str, url: str) -> None:
    """People type addresses in many ways."""
    assert base_url(typed) == url


@pytest.mark.parametrize("typed", ["", "http://", "ftp://h", "http://[", "h:99999", "http://h:0", "http://h:x"])
def test_no_addresses(typed: str) -> None:
    """Refused before anything is sent."""
    with pytest.raises(ApiError, match="no server address"):
        base_url(typed)


def test_usage_defaults() -> None:
    """A server that leaves a count out is read all the same."""
    assert Usage() == Usage(0, 0)
