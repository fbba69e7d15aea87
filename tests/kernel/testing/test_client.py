"""The client: it records what came over the wire, also when that is wrong."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias

import msgspec
import pytest
from aiohttp import web

from jackfield.testing.client import Client
from jackfield.testing.openai_shapes import ChatChunk, ChunkChoice, ChunkDelta

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from jackfield.testing.background import BackgroundLoop

Handler: TypeAlias = "Callable[[web.Request], Awaitable[web.StreamResponse]]"
Serve: TypeAlias = "Callable[[Handler], Client]"


def chunk(text: str) -> bytes:
    choice = ChunkChoice(index=0, delta=ChunkDelta(content=text), finish_reason=None)
    record = ChatChunk(id="1", object="chat.completion.chunk", created=1, model="m", choices=[choice])
    return b"data: " + msgspec.json.encode(record) + b"\n\n"


ERROR = b'data: {"error":{"message":"m","type":"server_error","param":null,"code":"broken"}}\n\n'
DONE = b"data: [DONE]\n\n"


@pytest.fixture
def serve(background: BackgroundLoop) -> Iterator[Serve]:
    """Answer every request with a handler."""
    runners: list[web.AppRunner] = []
    clients: list[Client] = []

    async def start(handler: Handler) -> Client:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(application)
        runners.append(runner)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        client = Client(f"http://127.0.0.1:{runner.addresses[0][1]}", "m")
        clients.append(client)
        return client

    yield lambda handler: background.run(start(handler))
    for client in clients:
        background.run(client.close())
    for runner in runners:
        background.run(runner.cleanup())


def streaming(*parts: bytes, cut: bool = False) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        for part in parts:
            await response.write(part)
        if cut:
            assert request.transport is not None
            request.transport.abort()
        return response

    return handler


def test_a_whole_stream(serve: Serve, background: BackgroundLoop) -> None:
    """Text, order and times of a stream that ends well."""
    stream = background.run(serve(streaming(chunk("a"), b": ping\n\n", chunk("b"), DONE)).stream("hello"))
    assert stream.text == "ab"
    assert stream.done
    assert not stream.broken
    assert stream.started <= stream.arrivals[0].at <= stream.arrivals[-1].at <= stream.ended


@pytest.mark.parametrize(
    ("handler", "broken"),
    [
        pytest.param(streaming(chunk("a"), chunk("b")[:20]), "SseError", id="half an event"),
        pytest.param(streaming(chunk("a"), b"{}\n\n"), "SseError", id="no event"),
        pytest.param(streaming(chunk("a"), cut=True), "ClientPayloadError", id="connection cut"),
    ],
)
def test_a_damaged_stream(serve: Serve, background: BackgroundLoop, handler: Handler, broken: str) -> None:
    """What came before the damage is kept, and the damage is named."""
    stream = background.run(serve(handler).stream("hello"))
    assert stream.text == "a"
    assert stream.broken.startswith(broken)
    assert not stream.done


def test_an_error_in_a_stream(serve: Serve, background: BackgroundLoop) -> None:
    """An error event is no piece of the answer."""
    stream = background.run(serve(streaming(chunk("a"), ERROR)).stream("hello"))
    assert stream.text == "a"
    assert [error.code for error in stream.errors] == ["broken"]
    assert not stream.done


def test_a_refused_stream(serve: Serve, background: BackgroundLoop) -> None:
    """A refusal has a status and a body, and no events."""

    async def refuse(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=429, body=ERROR.removeprefix(b"data: "), content_type="application/json")

    stream = background.run(serve(refuse).stream("hello"))
    assert stream.status == 429
    assert b"broken" in stream.refusal
    assert not stream.arrivals


def test_a_stream_is_read_while_it_comes(serve: Serve, background: BackgroundLoop) -> None:
    """Events can be waited for one by one, and a hang-up is seen by the server."""
    left = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            while True:
                await response.write(chunk("x"))
                await asyncio.sleep(0.01)
        except ConnectionError:
            left.set()
        return response

    opened = background.run(serve(endless).open("hello"))
    background.run(opened.reached(2))
    background.run(opened.hang_up())
    background.run(left.wait(), timeout_s=5)


def test_waiting_for_more_than_comes(serve: Serve, background: BackgroundLoop) -> None:
    """A stream that ends too early is an error that shows it, not a hang."""
    opened = background.run(serve(streaming(chunk("a"), DONE)).open("hello"))
    with pytest.raises(AssertionError, match="ended after 2 events"):
        background.run(opened.reached(3))


def test_requests_at_once(serve: Serve, background: BackgroundLoop) -> None:
    """All are on the way before the first is answered."""
    everybody = asyncio.Event()
    waiting: list[str] = []

    async def together(_request: web.Request) -> web.StreamResponse:
        waiting.append("one")
        if len(waiting) == 4:
            everybody.set()
        await everybody.wait()
        return web.Response(text="x")

    replies = background.run(serve(together).asks(["hello"] * 4), timeout_s=5)
    assert [reply.status for reply in replies] == [200] * 4
